"""Which of a model's parameters are weights that can be pruned: those for which 0 is a neutral value."""

from collections.abc import Collection, Iterator
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Also = Literal["norms", "biases", "embeddings"]
NORMS = (_BatchNorm, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


def prunable(model: nn.Module, also: Collection[Also] = ()) -> dict[str, nn.Parameter]:
    """The parameters that learn and have two dimensions or more, by name, in the order of the model.

    Left out unless `also` names them: the scales and shifts of "norms"; "biases", as which all other vectors and
    numbers count; the tables of "embeddings". Left out always: what an aggregation policy learns, and what a module
    names as `undecayed`, for which 0 is a value like any other.
    """
    return {name: parameter for name, parameter, kind in _kinds(model) if kind == "weights" or kind in also}


def _kinds(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, str]]:
    seen: set[int] = set()
    for path, module in model.named_modules():
        for own, parameter in module.named_parameters(recurse=False):
            name = f"{path}.{own}" if path else own
            fixed = name.startswith("aggregation.") or own in getattr(module, "undecayed", ())
            if id(parameter) in seen or fixed or not parameter.requires_grad:
                continue
            seen.add(id(parameter))
            yield name, parameter, _kind(module, parameter)


def _kind(module: nn.Module, parameter: nn.Parameter) -> str:
    if isinstance(module, NORMS):
        return "norms"
    if isinstance(module, nn.Embedding):
        return "embeddings"
    return "weights" if parameter.dim() > 1 else "biases"
