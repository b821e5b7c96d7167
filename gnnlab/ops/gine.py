"""GINE's aggregation: Hu et al., "Strategies for Pre-training Graph Neural Networks", ICLR 2020.

Shapes: x [N, d], e [E, d], edge_weight [E].
"""

from typing import Any

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def gine(x: Tensor, e: Tensor, batch: Batch, edge_weight: Tensor | None = None, root: float = 0.0) -> Tensor:
    """root x_i + Σ_j w_ij ReLU(x_j + e_ij): [N, d]."""
    if not fused(x, "gine"):
        return reference(x, e, batch, edge_weight, root)
    weight = None if edge_weight is None else edge_weight.to(x.dtype)
    return _gine(x, e.to(x.dtype), weight, *batch.edges, root)


def reference(x: Tensor, e: Tensor, batch: Batch, edge_weight: Tensor | None = None, root: float = 0.0) -> Tensor:
    """The same in plain torch."""
    messages = (x.index_select(0, batch.edges.source) + e).relu()
    if edge_weight is not None:
        messages = messages * edge_weight.unsqueeze(-1)
    return (x * root).index_add(0, batch.edges.target, messages)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.root = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    need_weight = ctx.needs_input_grad[2]
    grad_x, grad_e, grad_weight = _gine_backward(grad, *ctx.saved_tensors, ctx.root, need_weight)
    return grad_x, grad_e, grad_weight if need_weight else None, *[None] * 7


def _fake_backward(grad: Tensor, x: Tensor, e: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    need_weight = rest[-1]
    return torch.empty_like(x), torch.empty_like(e), e.new_empty(e.shape[0] if need_weight else 0)


_gine = differentiable("gine", lambda x, *_: torch.empty_like(x), _setup, _backward)
_gine_backward = kernel("gine_backward", _fake_backward)
