"""GATv2's logits of attention: Brody et al., "How Attentive are Graph Attention Networks?", ICLR 2022.

Shapes: source and target [N, H C], edge [E, H C], H heads side by side; attention [H, C].
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel
from gnnlab.ops.edge_softmax import SLOPE


def gatv2_logits(source: Tensor, target: Tensor, attention: Tensor, batch: Batch, edge: Tensor | None = None) -> Tensor:
    """Σ_c a_c LeakyReLU(source_j + target_i + edge_ij)_c, for `edge_softmax_sum`: [E, H]."""
    if not fused(source, "gatv2_logits"):
        return reference(source, target, attention, batch, edge)
    tensors = [None if t is None else t.to(source.dtype) for t in (target, edge, attention)]
    return _logits(source, *tensors, *batch.edges, SLOPE)


def reference(source: Tensor, target: Tensor, attention: Tensor, batch: Batch, edge: Tensor | None = None) -> Tensor:
    """The same in plain torch."""
    features = source.index_select(0, batch.edges.source) + target.index_select(0, batch.edges.target)
    if edge is not None:
        features = features + edge
    return (leaky_relu(features, SLOPE).unflatten(1, attention.shape) * attention).sum(-1)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    *tensors, ctx.slope = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    source, target, edge, attention = _logits_backward(grad, *ctx.saved_tensors, ctx.slope)
    return source, target, edge if ctx.needs_input_grad[2] else None, attention, *[None] * 7


def _fake(
    source: Tensor, target: Tensor, edge: Any, attention: Tensor, rowptr: Tensor, index: Tensor, *_: Any
) -> Tensor:
    return source.new_empty(index.shape[0], attention.shape[0])


def _fake_backward(
    grad: Tensor, source: Tensor, target: Tensor, edge: Tensor | None, attention: Tensor, *_: Any
) -> tuple[Tensor, ...]:
    edge = source.new_empty(0, source.shape[1]) if edge is None else edge
    return torch.empty_like(source), torch.empty_like(target), torch.empty_like(edge), torch.empty_like(attention)


_logits = differentiable("gatv2_logits", _fake, _setup, _backward)
_logits_backward = kernel("gatv2_logits_backward", _fake_backward)
