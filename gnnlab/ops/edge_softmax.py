"""Attention over edges: softmax over each node's in-edges and the sum of the sources' values that it weighs.

GAT: Veličković et al., "Graph Attention Networks", ICLR 2018. Shapes: value [N, H C], H heads side by side;
logits and edge_score [E, H]; source_score and target_score [N, H].
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def edge_softmax_sum(logits: Tensor, value: Tensor, batch: Batch, eps: float = 0.0) -> Tensor:
    """Σ_j α_ij v_j with α_ij = exp s_ij / (Σ_k exp s_ik + eps), head by head: [N, H C].

    A logit of -inf removes its edge; a node without in-edges gets 0.
    """
    if not fused(value, "edge_softmax_sum"):
        return reference(logits, value, batch, eps)
    heads = logits.shape[1]
    return _softmax_sum(value, None, None, logits.to(_score_type(value)), *batch.edges, heads, 1.0, eps)[0]


def gat(
    source_score: Tensor,
    target_score: Tensor,
    value: Tensor,
    batch: Batch,
    edge_score: Tensor | None = None,
    slope: float = 0.2,
) -> Tensor:
    """`edge_softmax_sum` of the logits LeakyReLU(source_j + target_i + edge_ij): [N, H C]."""
    if not fused(value, "edge_softmax_sum"):
        return gat_reference(source_score, target_score, value, batch, edge_score, slope)
    heads = source_score.shape[1]
    scores = [None if s is None else s.to(_score_type(value)) for s in (source_score, target_score, edge_score)]
    return _softmax_sum(value, *scores, *batch.edges, heads, slope, 0.0)[0]


def _score_type(value: Tensor) -> torch.dtype:
    return torch.float32 if value.dtype == torch.bfloat16 else value.dtype


def reference(logits: Tensor, value: Tensor, batch: Batch, eps: float = 0.0) -> Tensor:
    """`edge_softmax_sum` in plain torch."""
    source, target = batch.edges.source, batch.edges.target
    heads = logits.shape[1]
    nothing = logits.new_zeros(batch.num_nodes, heads)
    index = target.long().unsqueeze(-1).expand_as(logits)
    most = nothing.scatter_reduce(0, index, logits.detach(), "amax", include_self=False)
    most = most.masked_fill(most == -torch.inf, 0.0)
    weight = (logits - most.index_select(0, target)).exp()
    total = nothing.index_add(0, target, weight) + (eps * (-most).exp() if eps else 0.0)
    alpha = weight / total.masked_fill(total == 0, 1.0).index_select(0, target)
    messages = alpha.unsqueeze(-1) * value.index_select(0, source).unflatten(1, (heads, -1))
    return torch.zeros_like(value).index_add(0, target, messages.flatten(1))


def gat_reference(
    source_score: Tensor,
    target_score: Tensor,
    value: Tensor,
    batch: Batch,
    edge_score: Tensor | None = None,
    slope: float = 0.2,
) -> Tensor:
    """`gat` in plain torch."""
    logits = source_score.index_select(0, batch.edges.source) + target_score.index_select(0, batch.edges.target)
    if edge_score is not None:
        logits = logits + edge_score
    return reference(leaky_relu(logits, slope), value, batch)


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    *tensors, _, ctx.slope, _ = inputs
    value, *rest = tensors
    alpha = output[1]
    ctx.save_for_backward(value, alpha, *rest)
    ctx.mark_non_differentiable(alpha)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    grads = _softmax_sum_backward(grad, *ctx.saved_tensors, ctx.slope)
    wanted = (g if need else None for g, need in zip(grads, ctx.needs_input_grad, strict=False))
    return *wanted, *[None] * 9


def _fake(value: Tensor, of_source: Any, of_target: Any, of_edge: Any, rowptr: Tensor, source: Tensor, *rest: Any):
    heads = rest[-3]
    return torch.empty_like(value), value.new_empty(source.shape[0], heads, dtype=_score_type(value))


def _fake_backward(grad: Tensor, value: Tensor, alpha: Tensor, of_source: Any, of_target: Any, *_: Any):
    rows, heads = value.shape[0], alpha.shape[1]
    sides = (alpha.new_empty(0 if score is None else rows, heads) for score in (of_source, of_target))
    return torch.empty_like(value), *sides, torch.empty_like(alpha)


_softmax_sum = differentiable("edge_softmax_sum", _fake, _setup, _backward)
_softmax_sum_backward = kernel("edge_softmax_sum_backward", _fake_backward)
