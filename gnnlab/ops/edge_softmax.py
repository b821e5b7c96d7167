"""Attention over edges: softmax over each node's in-edges and the sum of the sources' values that it weighs.

GAT: Veličković et al., "Graph Attention Networks", ICLR 2018. Shapes: value [N, H C], H heads side by side;
logits [E, H]; source_score and target_score [N, H]; edge_weight w [E], 1 where there is none.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel
from gnnlab.ops.dropout import drop
from gnnlab.ops.dropout import dropout as thinned
from gnnlab.ops.random import fresh_seed, scale
from gnnlab.ops.segment import aggregate

SLOPE = 0.2
"""Of LeakyReLU below 0, in GAT and GATv2."""


def edge_softmax_sum(
    logits: Tensor,
    value: Tensor,
    batch: Batch,
    eps: float = 0.0,
    dropout: float = 0.0,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """Σ_j dropout(α_ij) v_j with α_ij = w_ij exp s_ij / (Σ_k w_ik exp s_ik + eps), head by head: [N, H C].

    A logit of -inf removes its edge, and so does a weight of 0 or next to it, which has no gradient then; a node
    without in-edges gets 0.
    """
    if not fused(value, "edge_softmax_sum"):
        seed = fresh_seed(value.device) if dropout else None
        return reference(logits, value, batch, eps, dropout, seed, edge_weight)
    logits, weight = logits.to(_score_type(value)), _precise(value, edge_weight)
    if dropout:
        return _of_kept(logits, value, batch, eps, dropout, weight)
    return _softmax_sum(value, None, None, logits, weight, *batch.edges, logits.shape[1], 1.0, eps)[0]


def gat(
    source_score: Tensor, target_score: Tensor, value: Tensor, batch: Batch, edge_weight: Tensor | None = None
) -> Tensor:
    """`edge_softmax_sum` of the logits LeakyReLU(source_j + target_i): [N, H C]."""
    if not fused(value, "edge_softmax_sum"):
        return gat_reference(source_score, target_score, value, batch, edge_weight)
    scores, heads = [_precise(value, score) for score in (source_score, target_score)], source_score.shape[1]
    return _softmax_sum(value, *scores, None, _precise(value, edge_weight), *batch.edges, heads, SLOPE, 0.0)[0]


def _precise(value: Tensor, scores: Tensor | None) -> Tensor | None:
    """Scores or weights in the type that the kernel has them in."""
    return None if scores is None else scores.to(_score_type(value))


def _score_type(value: Tensor) -> torch.dtype:
    return torch.float32 if value.dtype == torch.bfloat16 else value.dtype


def _of_kept(
    logits: Tensor, value: Tensor, batch: Batch, eps: float, dropout: float, edge_weight: Tensor | None
) -> Tensor:
    """With dropout: the softmax over the kept edges alone, times the share of all weights that these have."""
    kept = thinned(torch.ones_like(logits), dropout) > 0
    weight, rest = _weights(logits, batch, eps, edge_weight)
    share = aggregate(weight * kept, batch) / _divisor(aggregate(weight, batch) + rest) * scale(dropout)
    mixed = edge_softmax_sum(logits.masked_fill(~kept, -torch.inf), value, batch, edge_weight=edge_weight)
    return (mixed.unflatten(1, (*share.shape[1:], -1)) * share.unsqueeze(-1).to(value.dtype)).flatten(1)


def _weights(logits: Tensor, batch: Batch, eps: float, edge_weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """What α is of, each divided by exp of the node's largest logit: w exp s [E, H], and eps [N, H]."""
    if edge_weight is not None:
        present = edge_weight >= torch.finfo(edge_weight.dtype).tiny  # the kernel divides by it
        logits = logits.masked_fill(~present.unsqueeze(-1), -torch.inf)
    most = _most(logits, batch)
    weight = (logits - most.index_select(0, batch.edges.target)).exp()
    if edge_weight is not None:
        weight = weight * edge_weight.unsqueeze(-1)
    return weight, (eps * (-most).exp() if eps else torch.zeros_like(most)).to(weight.dtype)


def _most(logits: Tensor, batch: Batch) -> Tensor:
    """[N, H] the largest logit of each node; 0 where there is none, or only -inf."""
    index = batch.edges.target.long().unsqueeze(-1).expand_as(logits)
    nothing = logits.new_zeros(batch.num_nodes, logits.shape[1])
    most = nothing.scatter_reduce(0, index, logits.detach(), "amax", include_self=False)
    return most.masked_fill(most == -torch.inf, 0.0)


def _divisor(total: Tensor) -> Tensor:
    return total.masked_fill(total == 0, 1.0)


def reference(
    logits: Tensor,
    value: Tensor,
    batch: Batch,
    eps: float = 0.0,
    dropout: float = 0.0,
    seed: Tensor | None = None,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """`edge_softmax_sum` in plain torch."""
    weight, rest = _weights(logits, batch, eps, edge_weight)
    total = _divisor(rest.index_add(0, batch.edges.target, weight))
    alpha = drop(weight / total.index_select(0, batch.edges.target), dropout, seed)
    messages = alpha.unsqueeze(-1) * value.index_select(0, batch.edges.source).unflatten(1, (logits.shape[1], -1))
    return torch.zeros_like(value).index_add(0, batch.edges.target, messages.flatten(1).to(value.dtype))


def gat_reference(
    source_score: Tensor, target_score: Tensor, value: Tensor, batch: Batch, edge_weight: Tensor | None = None
) -> Tensor:
    """`gat` in plain torch."""
    logits = source_score.index_select(0, batch.edges.source) + target_score.index_select(0, batch.edges.target)
    return reference(leaky_relu(logits, SLOPE), value, batch, edge_weight=edge_weight)


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


def _fake(
    value: Tensor, of_source: Any, of_target: Any, of_edge: Any, weight: Any, rowptr: Tensor, source: Tensor, *rest: Any
):
    heads = rest[-3]
    return torch.empty_like(value), value.new_empty(source.shape[0], heads, dtype=_score_type(value))


def _fake_backward(
    grad: Tensor, value: Tensor, alpha: Tensor, of_source: Any, of_target: Any, of_edge: Any, weight: Any, *_: Any
):
    rows, (edges, heads) = value.shape[0], alpha.shape
    sides = (alpha.new_empty(0 if score is None else rows, heads) for score in (of_source, of_target))
    return torch.empty_like(value), *sides, torch.empty_like(alpha), alpha.new_empty(0 if weight is None else edges)


_softmax_sum = differentiable("edge_softmax_sum", _fake, _setup, _backward)
_softmax_sum_backward = kernel("edge_softmax_sum_backward", _fake_backward)
