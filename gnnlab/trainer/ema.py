"""Exponential moving average of a model's weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gnnlab.weights import copy_of


class EMA:
    """θ̄ ← decay · θ̄ + (1 − decay) · θ after every step, from θ̄₀ = θ₀. Buffers are copied as they are."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.average = copy_of(model)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the weights of the step just made into the average."""
        parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        for name, value in model.state_dict().items():
            if name in parameters:
                self.average[name].lerp_(value, 1 - self.decay)
            else:
                self.average[name].copy_(value)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Within it, `model` carries the averaged weights."""
        trained = copy_of(model)
        model.load_state_dict(self.average)
        try:
            yield
        finally:
            model.load_state_dict(trained)

    def state_dict(self) -> dict[str, Tensor]:
        return self.average

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        for name, value in self.average.items():
            value.copy_(state_dict[name])
