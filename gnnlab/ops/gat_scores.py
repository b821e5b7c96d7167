"""GAT's scores of the nodes: Veličković et al., "Graph Attention Networks", ICLR 2018.

Shapes: value [N, H C], H heads side by side; source and target [H, C].
"""

from typing import Any

import torch
from torch import Tensor

from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def gat_scores(value: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_c source_c v_c and Σ_c target_c v_c of every node, for `gat`: [N, H] each."""
    if not fused(value, "gat_scores"):
        return reference(value, source, target)
    return _scores(value, source.to(value.dtype), target.to(value.dtype))


def reference(value: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The same in plain torch."""
    heads = value.unflatten(-1, source.shape)
    return (heads * source).sum(-1), (heads * target).sum(-1)


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, of_source: Tensor, of_target: Tensor) -> tuple[Tensor, ...]:
    return _scores_backward(of_source, of_target, *ctx.saved_tensors)


def _fake(value: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    rows, heads = value.shape[0], source.shape[0]
    return value.new_empty(rows, heads), value.new_empty(rows, heads)


def _fake_backward(
    of_source: Tensor, of_target: Tensor, value: Tensor, source: Tensor, target: Tensor
) -> tuple[Tensor, ...]:
    return torch.empty_like(value), torch.empty_like(source), torch.empty_like(target)


_scores = differentiable("gat_scores", _fake, _setup, _backward)
_scores_backward = kernel("gat_scores_backward", _fake_backward)
