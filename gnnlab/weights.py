"""A model's weights and buffers by value: to keep, and to go back to."""

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor, nn


def copy_of(model: nn.Module) -> dict[str, Tensor]:
    """All of them, by name."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def initial(model: nn.Module) -> dict[str, Tensor]:
    """Those a training may begin anew from (`rewind`): all but an aggregation policy's, which stay as they are."""
    return {name: value for name, value in copy_of(model).items() if not name.startswith("aggregation.")}


def rewind(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Give `model` these; others stay as they are."""
    model.load_state_dict(values, strict=False)


class Weights:
    """Those of some time, none at first, as a part of a phase's state."""

    def __init__(self, values: Mapping[str, Tensor] = MappingProxyType({})) -> None:
        self.values = dict(values)

    def state_dict(self) -> dict[str, Tensor]:
        return self.values

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        self.values = dict(state_dict)
