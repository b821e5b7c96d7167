"""Rows side by side.

Shapes: parts [N, d₁], [N, d₂], …
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def concat(parts: Sequence[Tensor]) -> Tensor:
    """[N, Σ d]: as `torch.cat(parts, -1)`. Parts of one type, at least one."""
    alike = all(part.dtype == parts[0].dtype and part.dim() == 2 for part in parts)
    return reduce(_concat, parts) if alike and fused(parts[0], "concat") else reference(parts)


def reference(parts: Sequence[Tensor]) -> Tensor:
    """The same in plain torch."""
    return torch.cat(list(parts), -1)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.width = inputs[0].shape[1]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
    return _concat_backward(grad, ctx.width)


def _fake_backward(grad: Tensor, width: int) -> tuple[Tensor, Tensor]:
    return grad.new_empty(grad.shape[0], width), grad.new_empty(grad.shape[0], grad.shape[1] - width)


_concat = differentiable("concat", lambda a, b: a.new_empty(a.shape[0], a.shape[1] + b.shape[1]), _setup, _backward)
_concat_backward = kernel("concat_backward", _fake_backward)
