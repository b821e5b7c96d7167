"""Dropout (Srivastava et al., 2014) in plain torch, by the decisions that the kernels take."""

from torch import Tensor

from gnnlab.ops.random import keep, scale


def drop(x: Tensor, p: float, seed: Tensor | None, first: int = 0) -> Tensor:
    """x with its elements, in row-major order those numbered from `first` on, dropped with probability p."""
    if seed is None or not p:
        return x
    kept = keep(seed, first + x.numel(), p)[first:].view(x.shape)
    return (x * scale(p)).masked_fill(~kept, 0)
