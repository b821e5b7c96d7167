"""The width that spends a budget of parameters: `budget=500k`, as the benchmarks compare models."""

import logging
from collections.abc import Callable

import torch
from omegaconf import DictConfig
from torch import nn

from gnnlab.config.root import num_parameters
from gnnlab.errors import UsageError

notice = logging.getLogger(__name__)

STEP = 8
"""Widths that any usual number of heads divides."""
WIDEST = 1 << 14


def widen(model: DictConfig, budget: str | int, build: Callable[[], nn.Module]) -> None:
    """Set `model.hidden_dim` to the greatest width with which `build()` gives a model within the budget.

    Raises `UsageError` where the model has no such setting, or none of its widths fits.
    """
    most = num_parameters(budget)
    if "hidden_dim" not in model:
        raise UsageError("budget=… sets model.hidden_dim, which this model does not have.")

    def size(width: int) -> int | None:
        model.hidden_dim = width
        try:
            with torch.device("meta"):
                return sum(parameter.numel() for parameter in build().parameters())
        except UsageError:  # a width that the heads do not divide, or that leaves the features nothing
            return None

    def fits(width: int) -> bool:
        count = size(width)
        return count is None or count <= most

    low, high = 0, STEP
    while fits(high) and high < WIDEST:
        low, high = high, 2 * high
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        low, high = (middle, high) if fits(middle) else (low, middle)
    for width in range(high - 1, 0, -1):
        count = size(width)
        if count is not None and count <= most:
            notice.info("budget=%s: model.hidden_dim=%d, %s parameters.", budget, width, f"{count:,}")
            return
    raise UsageError(f"budget={budget} is too small for this model at any width; raise it, or lower model.num_layers.")
