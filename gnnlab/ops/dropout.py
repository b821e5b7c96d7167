"""Dropout (Srivastava et al., 2014) by decisions that follow from a seed, so that no mask is kept for the backward."""

from typing import Any

import torch
from torch import Tensor

from gnnlab.ops.backend import fused
from gnnlab.ops.define import kernel
from gnnlab.ops.random import GROUP, fresh_seed, keep, scale


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """x [...] with elements dropped with probability p and the others scaled, in training; several times torch's speed
    on a CPU."""
    if not p or not training:
        return x
    seed = fresh_seed(x.device)
    if torch.compiler.is_compiling() or not fused(x, "dropout"):
        return drop(x, p, seed)
    return _Dropout.apply(x, p, seed)  # pyright: ignore[reportReturnType]


def drop(x: Tensor, p: float, seed: Tensor | None, first: int = 0) -> Tensor:
    """The same in torch's operations, by the decisions that all kernels take: of elements numbered, in row-major order,
    from `first` on."""
    if seed is None or not p:
        return x
    count = first + x.numel()
    if torch.compiler.is_compiling() or not fused(x, "keep"):
        dropped = ~keep(seed, count, p)
    else:
        dropped = _keep(seed, -(-count // GROUP), p).view(-1)[:count] == 0
    return (x * scale(p)).masked_fill(dropped[first:].view(x.shape), 0)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, seed: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.p = p
        ctx.save_for_backward(seed)
        return _thin(x, seed, p)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (seed,) = ctx.saved_tensors
        return _Dropout.apply(grad, ctx.p, seed), None, None  # pyright: ignore[reportReturnType]


_thin = kernel("dropout", lambda x, seed, p: x.new_empty(x.shape))
_keep = kernel("keep", lambda seed, groups, p: seed.new_empty(groups, GROUP, dtype=torch.float32))
