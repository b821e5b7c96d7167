"""GatedGCN's edge part."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.ops import gated as ours
from gnnlab.ops.gated import reference as plain_torch
from tests.ops.parity import Case, batches, check_everything, inputs_of


def plain(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    rows, edges = batch.num_nodes, batch.edge_index.shape[1]
    return [torch.randn(rows, 4 * width, dtype=dtype), torch.randn(edges, width, dtype=dtype), None]


def weighted(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    """Weights away from 0: a sum of weights near 0 divides, and bfloat16 has few digits."""
    return [*plain(batch, width, dtype)[:2], 0.1 + torch.rand(batch.edge_index.shape[1], dtype=dtype)]


def fused(nodes: Tensor, edges: Tensor, weight: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
    return ours(nodes, edges, batch, weight)


def reference(nodes: Tensor, edges: Tensor, weight: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
    return plain_torch(nodes, edges, batch, weight)


PLAIN = Case("gated", fused, reference, plain, kernel="gated")
WEIGHTED = Case("gated, weighted edges", fused, reference, weighted, kernel="gated")


@pytest.mark.parametrize("case", [PLAIN, WEIGHTED], ids=str)
def test_everything(case: Case) -> None:
    check_everything(case)


@pytest.mark.parametrize("wanted", [0, 1], ids=["x' alone", "ê alone"])
def test_gradients_where_only_one_output_is_used(wanted: int) -> None:
    batch = batches()["larger"]
    nodes, edges = (t.requires_grad_() for t in inputs_of(PLAIN, batch, 20, torch.float64)[:2])
    losses = (op(nodes, edges, batch)[wanted].square().sum() for op in (ours, plain_torch))
    first, second = (torch.autograd.grad(loss, (nodes, edges)) for loss in losses)
    assert_close(first, second)


def test_gates_far_out_stay_finite() -> None:
    """Closed gates leave a node its own map; open gates average."""
    batch, width = batches()["all kinds"], 20
    nodes, edges, _ = inputs_of(PLAIN, batch, width, torch.float32)
    nodes.requires_grad_()
    own, value = nodes[:, :width], nodes[:, width : 2 * width]
    closed, logits = ours(nodes, torch.full_like(edges, -1e4), batch)
    assert_close(closed, own, rtol=0, atol=0)
    opened, _ = ours(nodes, torch.full_like(edges, 1e4), batch)
    total = torch.zeros_like(own).index_add(0, batch.edges.target, value[batch.edges.source])
    degree = batch.rowptr.diff().unsqueeze(-1)
    assert_close(opened, own + total / (degree + 1e-6))
    assert torch.autograd.grad((closed + opened).sum() + logits.sum(), nodes)[0].isfinite().all()
