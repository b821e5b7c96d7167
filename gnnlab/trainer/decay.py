"""Which parameters weight decay pulls towards 0: all, but those that a module names as `undecayed`.

The state matrix of a state-space model is such a parameter (Mamba: Gu & Dao, 2023): log A = 0 is no neutral value.
"""

from typing import Any

from torch import nn


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """The parameters that learn, as an optimizer takes them; the last group, if there are two, does not decay.

    A module's `undecayed: ClassVar[tuple[str, ...]]` are names of its own parameters.
    """
    named = (getattr(module, name) for module in model.modules() for name in getattr(module, "undecayed", ()))
    exempt = {id(parameter) for parameter in named}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in learning if id(parameter) not in exempt]
    rest = [parameter for parameter in learning if id(parameter) in exempt]
    return [{"params": decayed}, *([{"params": rest, "weight_decay": 0.0}] if rest else [])]
