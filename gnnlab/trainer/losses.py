"""The training losses, read from the device now and then: a reading waits for the GPU."""

import math

import torch
from torch import Tensor

from gnnlab.trainer import distributed

STEPS_BETWEEN_READINGS = 32


class NotFinite(Exception):
    """A loss or a gradient was NaN or infinite, `behind` steps ago."""

    def __init__(self, what: str, value: float, behind: int) -> None:
        super().__init__(f"The {what} became {value}")
        self.behind = behind


class Losses:
    """The steps whose losses have not been read yet."""

    def __init__(self) -> None:
        self.steps: list[Tensor] = []

    def add(self, loss: Tensor, norm: Tensor) -> None:
        """A step's summed loss (this process's part) and its gradient norm."""
        self.steps.append(torch.stack([loss.to(norm), norm]))

    @property
    def full(self) -> bool:
        return len(self.steps) >= STEPS_BETWEEN_READINGS

    def read(self, total: float) -> float:
        """`total` plus the unread losses of all processes, one by one, so that it matters not when they are read."""
        if not self.steps:
            return total
        steps = distributed.total(torch.stack(self.steps)).tolist()
        self.steps.clear()
        for index, (loss, norm) in enumerate(steps):
            for what, value in (("loss", loss), ("gradient norm", norm)):
                if not math.isfinite(value):
                    raise NotFinite(what, value, behind=len(steps) - index)
            total += loss
        return total
