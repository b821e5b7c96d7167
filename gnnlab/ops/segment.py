"""Reductions of edges into nodes and of nodes into graphs: of rows that lie together.

Shapes: messages [E, d], edge_weight [E], x [N, d].
"""

from typing import Any, Literal

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel

Readout = Literal["sum", "mean", "max"]


def aggregate(messages: Tensor, batch: Batch, edge_weight: Tensor | None = None) -> Tensor:
    """Sum of the messages into each node, Σ_j w_ij m_ij: [E, d] to [N, d]; zero without in-edges."""
    weight = None if edge_weight is None else edge_weight.to(messages.dtype)
    return _reduce(messages, weight, batch.edges.rowptr, batch.edges.target, "sum")


def pool(x: Tensor, batch: Batch, readout: Readout) -> Tensor:
    """Nodes to graphs, [N, d] to [B, d]; a graph without nodes gives zeros.

    A maximum is NaN where any entry is; its gradient goes to one node, the first of several that attain it.
    """
    return _reduce(x, None, batch.ptr, batch.batch, readout)


def degree(batch: Batch, end: Literal["in", "out"], edge_weight: Tensor | None = None) -> Tensor:
    """[N] float: the weights of a node's in- or out-edges summed up, their number without weights."""
    if edge_weight is None:
        return (batch.rowptr if end == "in" else batch.colptr).diff().to(torch.get_default_dtype())
    row = 1 if end == "in" else 0
    return edge_weight.new_zeros(batch.num_nodes).index_add(0, batch.edge_index[row], edge_weight)


def reference(
    values: Tensor, weight: Tensor | None, ptr: Tensor, owner: Tensor, reduce: Literal["sum", "mean", "max", "min"]
) -> Tensor:
    """Rows ptr[i] … ptr[i+1] of `values` [n, d], those whose `owner` [n] is i, to row i, in plain torch."""
    if weight is not None:
        values = values * weight.unsqueeze(-1)
    if reduce == "min":
        return -_largest(-values, owner, ptr.shape[0] - 1)
    if reduce == "max":
        return _largest(values, owner, ptr.shape[0] - 1)
    total = values.new_zeros(ptr.shape[0] - 1, values.shape[1]).index_add(0, owner, values)
    return total / ptr.diff().clamp(min=1).unsqueeze(-1).to(values.dtype) if reduce == "mean" else total


def _largest(values: Tensor, owner: Tensor, rows: int) -> Tensor:
    """The first entry that attains the maximum, NaN being the largest number of all."""
    (count, width), row = values.shape, owner.long().unsqueeze(-1).expand_as(values)
    with torch.no_grad():
        best = values.new_zeros(rows, width).scatter_reduce(0, row, values, "amax", include_self=False)
        attains = (values == best.gather(0, row)) | values.isnan()
        order = torch.arange(count, device=values.device).unsqueeze(-1).where(attains, count)
        first = order.new_full((rows, width), count).scatter_reduce(0, row, order, "amin")
    return torch.cat([values, values.new_zeros(1, width)]).gather(0, first)


def _reduce(values: Tensor, weight: Tensor | None, ptr: Tensor, owner: Tensor, reduce: Readout) -> Tensor:
    if not fused(values, "segment"):
        return reference(values, weight, ptr, owner, reduce)
    if reduce == "max":
        return _segment_max(values, ptr, owner)[0]
    return _segment(values, weight, ptr, owner, reduce == "mean")


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.mean = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    need_weight = ctx.needs_input_grad[1]
    grad_x, grad_weight = _segment_backward(grad, *ctx.saved_tensors, ctx.mean, need_weight)
    return grad_x, grad_weight if need_weight else None, None, None, None


def _setup_max(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1], inputs[2])


def _backward_max(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    return None if grad is None else _segment_max_backward(grad, *ctx.saved_tensors), None, None


def index_type(x: Tensor) -> torch.dtype:
    """The type of the row numbers that kernels keep beside a maximum."""
    return torch.int64 if x.dtype == torch.float64 else torch.int32


def _fake_max(x: Tensor, ptr: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
    out = x.new_empty(ptr.shape[0] - 1, x.shape[1])
    return out, torch.empty_like(out, dtype=index_type(x))


def _fake_backward(
    grad: Tensor, x: Tensor, weight: Tensor | None, ptr: Tensor, owner: Tensor, mean: bool, need_weight: bool
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape[0] if need_weight else 0)


_segment = differentiable(
    "segment", lambda x, weight, ptr, *_: x.new_empty(ptr.shape[0] - 1, x.shape[1]), _setup, _backward
)
_segment_backward = kernel("segment_backward", _fake_backward)
_segment_max = differentiable("segment_max", _fake_max, _setup_max, _backward_max)
_segment_max_backward = kernel(
    "segment_max_backward", lambda grad, arg, owner: grad.new_empty(owner.shape[0], grad.shape[1])
)
