"""Categorical features to rows: the sum of one row of a table for each column, as OGB's AtomEncoder has it.

Shapes: value [N, columns] integers, table [R, d], first [columns].
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def embed(value: Tensor, table: Tensor, first: Tensor) -> Tensor:
    """[N, d]: Σ_c table[first_c + value_ic], where `first` says at which row a column's own begin.

    Raises `RuntimeError` for a value that its column does not have; the reference `IndexError`, for one of no row.
    """
    if value.dtype not in (torch.int32, torch.int64) or not fused(table, "embed"):
        return reference(value, table, first)
    return _embed(value, table, first)


def reference(value: Tensor, table: Tensor, first: Tensor) -> Tensor:
    """The same in plain torch."""
    return functional.embedding(value + first, table).sum(1)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    value, table, first = inputs
    ctx.size = table.shape[0]
    ctx.save_for_backward(value, first)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return None, _embed_backward(grad, *ctx.saved_tensors, ctx.size), None


_embed = differentiable(
    "embed", lambda value, table, _: table.new_empty(value.shape[0], table.shape[1]), _setup, _backward
)
_embed_backward = kernel("embed_backward", lambda grad, value, first, size: grad.new_empty(size, grad.shape[1]))
