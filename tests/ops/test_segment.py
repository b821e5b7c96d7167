"""Reductions of edges into nodes and of nodes into graphs."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.ops import aggregate, degree, pool
from gnnlab.ops.segment import Readout
from gnnlab.ops.segment import reference as plain_torch
from tests.ops.parity import DEVICE, Case, batches, check_everything


def messages(batch: Batch, width: int, dtype: torch.dtype, weighted: bool) -> list[Tensor | None]:
    edges = batch.edge_index.shape[1]
    return [torch.randn(edges, width, dtype=dtype), torch.randn(edges, dtype=dtype) if weighted else None]


def nodes(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [torch.randn(batch.num_nodes, width, dtype=dtype)]


def fused_aggregate(messages: Tensor, weight: Tensor | None, batch: Batch) -> Tensor:
    return aggregate(messages, batch, weight)


def plain_aggregate(messages: Tensor, weight: Tensor | None, batch: Batch) -> Tensor:
    return plain_torch(messages, weight, batch.rowptr, batch.edges.target, "sum")


def readout(reduce: Readout) -> Case:
    def fused(x: Tensor, batch: Batch) -> Tensor:
        return pool(x, batch, reduce)

    def reference(x: Tensor, batch: Batch) -> Tensor:
        return plain_torch(x, None, batch.ptr, batch.batch, reduce)

    kernel = "segment_max" if reduce == "max" else "segment"
    return Case(f"pool, {reduce}", fused, reference, nodes, kernel=kernel)


@pytest.mark.parametrize(
    "case",
    [
        *(readout(reduce) for reduce in ("sum", "mean", "max")),
        *(
            Case(name, fused_aggregate, plain_aggregate, partial(messages, weighted=weighted), kernel="segment")
            for name, weighted in (("aggregate", False), ("aggregate, weighted", True))
        ),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)


def test_a_graph_without_nodes_gives_zeros() -> None:
    batch = batches()["all kinds"]
    empty = batch.ptr.diff() == 0
    assert empty.any()
    for reduce in ("sum", "mean", "max"):
        out = pool(torch.randn(batch.num_nodes, 20, device=DEVICE), batch, reduce)
        assert not out[empty].any()
        assert out[~empty].any()


def test_the_gradient_of_a_tied_maximum_goes_to_the_first_node() -> None:
    batch = batches()["larger"]
    for value in (0.0, float("-inf")):
        x = torch.full((batch.num_nodes, 20), value, requires_grad=True, device=DEVICE)
        pool(x, batch, "max").backward(torch.ones(batch.num_graphs, 20, device=DEVICE))
        assert x.grad is not None
        assert_close(x.grad.sum(1).nonzero().flatten(), batch.ptr[:-1])


def test_nan_stays_in_its_graph() -> None:
    batch = batches()["larger"]
    x = torch.randn(batch.num_nodes, 20, device=DEVICE)
    x[45, 3] = float("nan")
    for reduce in ("sum", "mean", "max"):
        assert pool(x, batch, reduce).isnan().nonzero().tolist() == [[2, 3]]


def test_degrees_count_edges_or_their_weights() -> None:
    batch = batches()["all kinds"]
    n, ones = batch.num_nodes, torch.ones(batch.edge_index.shape[1], device=DEVICE)
    for end, row in (("out", 0), ("in", 1)):
        counts = torch.bincount(batch.edge_index[row], minlength=n).float()
        assert torch.equal(degree(batch, end), counts)
        assert torch.equal(degree(batch, end, 2 * ones), 2 * counts)
