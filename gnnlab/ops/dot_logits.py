"""Logits of dot-product attention over edges, with edge features or without.

Dwivedi & Bresson, "A Generalization of Transformer Networks to Graphs", 2021; without edge features, Shi et al.,
"Masked Label Prediction", IJCAI 2021. Shapes: query and key [N, H C], edge [E, H C], H heads side by side.
"""

from typing import Any

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def dot_logits(query: Tensor, key: Tensor, heads: int, batch: Batch, edge: Tensor | None = None) -> Tensor:
    """Σ_c (q_i k_j edge_ij)_c / √C, for `edge_softmax_sum`: [E, H]."""
    return _either(query, key, heads, batch, edge, need_products=False)[0]


def dot_products(query: Tensor, key: Tensor, heads: int, batch: Batch, edge: Tensor) -> tuple[Tensor, Tensor]:
    """`dot_logits` and what they are the sums of, q_i k_j edge_ij / √C [E, H C]: the next states of the edges."""
    return _either(query, key, heads, batch, edge, need_products=True)


def reference(
    query: Tensor, key: Tensor, heads: int, batch: Batch, edge: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`dot_products` in plain torch."""
    products = query.index_select(0, batch.edges.target) * key.index_select(0, batch.edges.source)
    products = products * (query.shape[1] // heads) ** -0.5
    if edge is not None:
        products = products * edge
    return products.unflatten(1, (heads, -1)).sum(-1), products


def _either(
    query: Tensor, key: Tensor, heads: int, batch: Batch, edge: Tensor | None, need_products: bool
) -> tuple[Tensor, Tensor]:
    if not fused(query, "dot_logits"):
        return reference(query, key, heads, batch, edge)
    edge = None if edge is None else edge.to(query.dtype)
    scale = (query.shape[1] // heads) ** -0.5
    return _logits(query, key.to(query.dtype), edge, *batch.edges, heads, scale, need_products)


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    *tensors, _, ctx.scale, need_products = inputs
    ctx.save_for_backward(*tensors)
    ctx.logits = output[0].shape
    ctx.set_materialize_grads(False)
    if not need_products:
        ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor | None, grad_products: Tensor | None) -> tuple[Tensor | None, ...]:
    if grad is None:
        grad = ctx.saved_tensors[0].new_zeros(ctx.logits)
    query, key, edge = _logits_backward(grad, grad_products, *ctx.saved_tensors, ctx.scale)
    return query, key, edge if ctx.needs_input_grad[2] else None, *[None] * 9


def _fake(query: Tensor, key: Tensor, edge: Any, rowptr: Tensor, source: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    edges, (heads, _, need_products) = source.shape[0], rest[-3:]
    return query.new_empty(edges, heads), query.new_empty(edges if need_products else 0, query.shape[1])


def _fake_backward(
    grad: Tensor, grad_products: Any, query: Tensor, key: Tensor, edge: Tensor | None, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    edge = query.new_empty(0, query.shape[1]) if edge is None else edge
    return torch.empty_like(query), torch.empty_like(key), torch.empty_like(edge)


_logits = differentiable("dot_logits", _fake, _setup, _backward)
_logits_backward = kernel("dot_logits_backward", _fake_backward)
