"""The forward pass as the loop calls it: compiled or not, in full or in half precision."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch


def make_forward(
    model: nn.Module, device: torch.device, precision: Literal["fp32", "bf16"], compile: bool
) -> Callable[[Batch], Tensor]:
    """batch → output. With "bf16" under autocast, but the output is float32, so that the loss is."""
    called = torch.compile(model, dynamic=True) if compile else model
    if precision == "fp32":
        return called

    def forward(batch: Batch) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            out = called(batch)
        return out.float()

    return forward
