"""What does not fit is an error and not memory of others."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gnnlab import ops
from gnnlab.batch import Batch
from tests.ops.parity import batch_of, needs_kernels

N, E = 9, 18


def ones(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.ones(shape, dtype=dtype)


double = torch.float64
WRONG: dict[str, Callable[[Batch], Any]] = {
    "aggregate: rows": lambda batch: ops.aggregate(ones(3, 4), batch),
    "aggregate: three dimensions": lambda batch: ops.aggregate(ones(E, 2, 3), batch),
    "aggregate: weights": lambda batch: ops.aggregate(ones(E, 4), batch, ones(3)),
    "aggregate: one weight": lambda batch: ops.aggregate(ones(E, 4), batch, torch.tensor(2.0)),
    "pool: rows": lambda batch: ops.pool(ones(N - 1, 4), batch, "max"),
    "propagate: rows": lambda batch: ops.propagate(ones(3, 4), batch),
    "propagate: three dimensions": lambda batch: ops.propagate(ones(N, 2, 4), batch),
    "propagate: weights": lambda batch: ops.propagate(ones(N, 4), batch, "mean", ones(3)),
    "propagate: root": lambda batch: ops.propagate(ones(N, 4), batch, root=ones(3)),
    "propagate: weights of a maximum": lambda batch: ops.propagate(ones(N, 4), batch, "max", ones(3)),
    "gine: edges": lambda batch: ops.gine(ones(N, 4), ones(3, 4), batch),
    "gine: rows": lambda batch: ops.gine(ones(3, 4), ones(E, 4), batch),
    "gated: weights": lambda batch: ops.gated(ones(N, 8), ones(E, 2), batch, ones(3)),
    "gated: rows": lambda batch: ops.gated(ones(3, 8), ones(E, 2), batch),
    "multi_aggregate: rows": lambda batch: ops.multi_aggregate(ones(3, 2), batch),
    "edge_softmax_sum: heads": lambda batch: ops.edge_softmax_sum(ones(E, 3), ones(N, 10), batch),
    "edge_softmax_sum: logits": lambda batch: ops.edge_softmax_sum(ones(3, 2), ones(N, 10), batch),
    "edge_softmax_sum: weights": lambda batch: ops.edge_softmax_sum(
        ones(E, 2), ones(N, 10), batch, edge_weight=ones(3)
    ),
    "edge_softmax_sum: values": lambda batch: ops.edge_softmax_sum(ones(E, 2), ones(3, 10), batch),
    "gat: scores": lambda batch: ops.gat(ones(N, 2), ones(1, 2), ones(N, 10), batch),
    "dot_logits: heads": lambda batch: ops.dot_logits(ones(N, 10), ones(N, 10), 3, batch),
    "dot_logits: keys": lambda batch: ops.dot_logits(ones(N, 10), ones(1, 10), 2, batch),
    "gat_scores: values": lambda batch: ops.gat_scores(ones(N, 5), ones(2, 2), ones(2, 2)),
    "gat_scores: target": lambda batch: ops.gat_scores(ones(N, 4), ones(2, 2), ones(1, 2)),
    "gatv2_logits: target": lambda batch: ops.gatv2_logits(ones(N, 4), ones(1, 4), ones(2, 2), batch),
    "gatv2_logits: heads": lambda batch: ops.gatv2_logits(ones(N, 4), ones(N, 4), ones(2, 3), batch),
    "linear: bias": lambda _: ops.linear(ones(2, 4), ones(3, 4), ones(1)),
    "linear: type of the bias": lambda _: ops.linear(ones(2, 4), ones(3, 4), ones(3, dtype=double)),
    "mlp: type of a weight": lambda _: ops.mlp(ones(2, 4), (ones(3, 4), ones(2, 3, dtype=double)), (None, None)),
    "mlp: bias": lambda _: ops.mlp(ones(2, 4), (ones(3, 4), ones(2, 3)), (ones(1), None)),
    "norm: type": lambda _: ops.norm(ones(5, 3, dtype=double), ones(3), ones(3)),
    "norm: width": lambda _: ops.norm(ones(5, 3), ones(2), ones(3)),
    "norm: residual": lambda _: ops.norm(ones(5, 3), ones(3), ones(3), before=ones(1, 3)),
    "attention: heads of the bias": lambda batch: ops.attention(ones(N, 24), batch, 2, bias=ones(N * N, 1)),
    "attention: rows": lambda batch: ops.attention(ones(3, 24), batch, 2),
    "linear_attention: rows": lambda batch: ops.linear_attention(ones(N, 4), ones(3, 4), ones(N, 4), batch, 2),
}


@pytest.mark.parametrize("call", WRONG)
def test_is_refused(call: str) -> None:
    needs_kernels()
    batch = batch_of(N)
    assert (batch.num_nodes, batch.num_edges) == (N, E)
    with pytest.raises(RuntimeError, match=r"\w+: expected"):
        WRONG[call](batch)
