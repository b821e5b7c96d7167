"""PNA's four aggregators at once: Corso et al., "Principal Neighbourhood Aggregation for Graph Nets", NeurIPS 2020.

Shapes: messages [E, d].
"""

from typing import Any

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import segment
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel

EPSILON = 1e-5


def multi_aggregate(messages: Tensor, batch: Batch) -> Tensor:
    """Mean, minimum, maximum and standard deviation of the messages into each node, side by side: [N, 4 d].

    The deviation is the paper's √(variance + 1e-5), over n messages, not n − 1; all four are 0 without in-edges. NaN
    and ties are as in `propagate`. PyG's `StdAggregation` differs: √variance, and 0 where the variance is below 1e-5.
    """
    if not fused(messages, "multi_aggregate"):
        return reference(messages, batch)
    return _multi_aggregate(messages, batch.edges.rowptr)


def reference(messages: Tensor, batch: Batch) -> Tensor:
    """The same in plain torch."""
    rowptr, target = batch.edges.rowptr, batch.edges.target
    mean, low, high = (segment.reference(messages, None, rowptr, target, name) for name in ("mean", "min", "max"))
    variance = segment.reference((messages - mean.index_select(0, target)).square(), None, rowptr, target, "mean")
    received = (rowptr.diff() > 0).unsqueeze(-1)
    return torch.cat([mean, low, high, (variance + EPSILON).sqrt() * received], dim=-1)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    messages, rowptr = inputs
    ctx.save_for_backward(messages, output, rowptr)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return _multi_aggregate_backward(grad, *ctx.saved_tensors), None


_multi_aggregate = differentiable(
    "multi_aggregate", lambda x, rowptr: x.new_empty(rowptr.shape[0] - 1, 4 * x.shape[1]), _setup, _backward
)
_multi_aggregate_backward = kernel("multi_aggregate_backward", lambda grad, x, *_: x.new_empty(x.shape))
