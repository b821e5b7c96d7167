"""A model's weights and buffers by value: to keep, and to go back to."""

from collections.abc import Mapping

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
