"""Rows of in-neighbours reduced where they lie, without messages in memory: PyG's `propagate` of x_j.

A sum is the sparse product A x of GCN (Kipf & Welling, ICLR 2017) and GIN (Xu et al., ICLR 2019); means and maxima are
GraphSAGE's (Hamilton et al., NeurIPS 2017). Shapes: x [N, d], edge_weight [E], root [N].
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.ops import segment
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel

Reduce = Literal["sum", "mean", "max", "min"]


def propagate(
    x: Tensor, batch: Batch, reduce: Reduce = "sum", edge_weight: Tensor | None = None, root: Tensor | None = None
) -> Tensor:
    """root_i x_i + reduce_j w_ij x_j over the edges into i: [N, d]; the second term is 0 without in-edges.

    A mean divides by the number of edges, not by their weights. A maximum or minimum is NaN where any entry is;
    its gradient goes along one edge, the first in storage order of several that attain it.
    """
    if reduce not in get_args(Reduce):
        raise UsageError(f"propagate: reduce={reduce!r} is none of {', '.join(get_args(Reduce))}.")
    if not fused(x, "propagate"):
        return reference(x, batch, reduce, edge_weight, root)
    weight = None if edge_weight is None else edge_weight.to(x.dtype)
    root = None if root is None else root.to(x.dtype)
    if reduce in ("sum", "mean"):
        return _propagate(x, weight, root, *batch.edges, reduce == "mean")
    out = _propagate_max(x, weight, *batch.edges, 1.0 if reduce == "max" else -1.0)[0]
    return out if root is None else torch.addcmul(out, root.unsqueeze(-1), x)


def reference(
    x: Tensor, batch: Batch, reduce: Reduce = "sum", edge_weight: Tensor | None = None, root: Tensor | None = None
) -> Tensor:
    """The same in plain torch."""
    edges = batch.edges
    out = segment.reference(x.index_select(0, edges.source), edge_weight, edges.rowptr, edges.target, reduce)
    return out if root is None else out + root.unsqueeze(-1) * x


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.mean = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    _, need_weight, need_root, *_ = ctx.needs_input_grad
    grad_x, *rest = _propagate_backward(grad, *ctx.saved_tensors, ctx.mean, need_weight, need_root)
    return grad_x, rest[0] if need_weight else None, rest[1] if need_root else None, *[None] * 7


def _setup_max(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    x, weight, *edges, _ = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, weight, output[1], *edges)


def _backward_max(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 9
    need_weight = ctx.needs_input_grad[1]
    grad_x, grad_weight = _propagate_max_backward(grad, *ctx.saved_tensors, need_weight)
    return grad_x, grad_weight if need_weight else None, *[None] * 7


def _fake_backward(grad: Tensor, x: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    *_, out_target, _, need_weight, need_root = rest
    edges = out_target.shape[0] if need_weight else 0
    return x.new_empty(x.shape), x.new_empty(edges), x.new_empty(x.shape[0] if need_root else 0)


def _fake_max(x: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape, dtype=segment.index_type(x))


def _fake_max_backward(grad: Tensor, x: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    *_, out_target, need_weight = rest
    return x.new_empty(x.shape), x.new_empty(out_target.shape[0] if need_weight else 0)


_propagate = differentiable("propagate", lambda x, *_: x.new_empty(x.shape), _setup, _backward)
_propagate_backward = kernel("propagate_backward", _fake_backward)
_propagate_max = differentiable("propagate_max", _fake_max, _setup_max, _backward_max)
_propagate_max_backward = kernel("propagate_max_backward", _fake_max_backward)
