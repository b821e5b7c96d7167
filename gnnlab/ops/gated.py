"""GatedGCN's edge part: Bresson & Laurent, "Residual Gated Graph ConvNets", 2017; Dwivedi et al., JMLR 2023.

Shapes: nodes [N, 4d], the rows A x_i, B x_i, D x_i and E x_i side by side; edges [E, d], the rows C e_ij;
edge_weight [E].
"""

from typing import Any

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def gated(nodes: Tensor, edges: Tensor, batch: Batch, edge_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """x'_i = A x_i + Σ_j w_ij σ(ê_ij) ⊙ B x_j / (Σ_j w_ij σ(ê_ij) + 1e-6) with ê_ij = D x_i + E x_j + C e_ij.

    x' [N, d] and ê [E, d].
    """
    if not fused(nodes, "gated"):
        return reference(nodes, edges, batch, edge_weight)
    weight = None if edge_weight is None else edge_weight.to(nodes.dtype)
    out, logits, _ = _gated(nodes, edges.to(nodes.dtype), weight, *batch.edges)
    return out, logits


def reference(nodes: Tensor, edges: Tensor, batch: Batch, edge_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The same in plain torch."""
    source, target = batch.edges.source, batch.edges.target
    own, value, to, start = nodes.chunk(4, dim=-1)
    logits = to.index_select(0, target) + start.index_select(0, source) + edges
    gate = logits.sigmoid()
    if edge_weight is not None:
        gate = gate * edge_weight.unsqueeze(-1)
    nothing = torch.zeros_like(own)
    total = nothing.index_add(0, target, gate)
    return own + nothing.index_add(0, target, gate * value.index_select(0, source)) / (total + 1e-6), logits


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor, Tensor]) -> None:
    nodes, _, weight, *edges = inputs
    _, logits, kept = output
    ctx.save_for_backward(nodes, logits, kept, weight, *edges)
    ctx.mark_non_differentiable(kept)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, grad_logits: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    nodes, logits = ctx.saved_tensors[:2]
    need_weight = ctx.needs_input_grad[2]
    if grad is None:
        grad = nodes.new_zeros(nodes.shape[0], logits.shape[1])
    grad_nodes, grad_edges, grad_weight = _gated_backward(grad, grad_logits, *ctx.saved_tensors, need_weight)
    return grad_nodes, grad_edges, grad_weight if need_weight else None, *[None] * 6


def _fake(nodes: Tensor, edges: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    rows, width = nodes.shape[0], edges.shape[1]
    return nodes.new_empty(rows, width), torch.empty_like(edges), nodes.new_empty(rows, 2 * width)


def _fake_backward(grad: Tensor, grad_logits: Tensor, nodes: Tensor, logits: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    need_weight = rest[-1]
    return torch.empty_like(nodes), torch.empty_like(logits), logits.new_empty(logits.shape[0] if need_weight else 0)


_gated = differentiable("gated", _fake, _setup, _backward)
_gated_backward = kernel("gated_backward", _fake_backward)
