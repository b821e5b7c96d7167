"""A model's weights and buffers by value: to keep, and to go back to."""

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor, nn

from gnnlab.errors import UsageError


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    """All of them, by name."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def initial(model: nn.Module) -> dict[str, Tensor]:
    """Those a training may begin anew from (`rewind`), by their names in the model without any method.

    Left out: an aggregation policy's, and those of modules that a method has put beside or around others, which say
    `installed = True` (masks). They stay as they are.
    """
    values = copy_of(model)
    return {bare: values[name] for bare, name in _names(model).items()}


def rewind(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Give `model` these values of `initial`, whatever has been installed since. Raises `UsageError` for others."""
    names = _names(model)
    if strange := sorted(names.keys() ^ values.keys()):
        raise UsageError(
            f"The model cannot go back to weights of before, as not all are in both: {', '.join(strange[:3])}. "
            "A module that a method puts beside or around others has to say `installed = True`."
        )
    model.load_state_dict({names[bare]: value for bare, value in values.items()}, strict=False)


def _names(model: nn.Module) -> dict[str, str]:
    """Of every weight and buffer that is not a method's: its name without what is installed, and its name now."""
    modules = model.named_modules(remove_duplicate=False)
    installed = {path for path, module in modules if getattr(module, "installed", False)}

    def bare(name: str) -> str:
        parts = name.split(".")
        return ".".join(part for i, part in enumerate(parts) if ".".join(parts[:i]) not in installed)

    return {
        bare(name): name
        for name in model.state_dict()
        if not name.startswith("aggregation.") and name.rpartition(".")[0] not in installed
    }


class Weights:
    """Those of some time, none at first, as a part of a phase's state."""

    def __init__(self, values: Mapping[str, Tensor] = MappingProxyType({})) -> None:
        self.values = dict(values)

    def state_dict(self) -> dict[str, Tensor]:
        return self.values

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        self.values = dict(state_dict)
