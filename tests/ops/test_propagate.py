"""Rows of in-neighbours reduced: sums, means, maxima and minima over edges."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.ops import propagate
from gnnlab.ops.propagate import Reduce
from gnnlab.ops.propagate import reference as plain_torch
from tests.ops.parity import DEVICE, Case, batches, check_everything


def inputs(batch: Batch, width: int, dtype: torch.dtype, weighted: bool) -> list[Tensor | None]:
    """Numbers whose products are exact in every dtype, so that all of them find the same maxima."""
    edges = batch.edge_index.shape[1]
    x, weight, root = (
        torch.randn(shape).bfloat16().to(dtype) for shape in ((batch.num_nodes, width), edges, batch.num_nodes)
    )
    return [x, weight, root] if weighted else [x, None, None]


def case(reduce: Reduce, weighted: bool) -> Case:
    def fused(x: Tensor, weight: Tensor | None, root: Tensor | None, batch: Batch) -> Tensor:
        return propagate(x, batch, reduce, weight, root)

    def reference(x: Tensor, weight: Tensor | None, root: Tensor | None, batch: Batch) -> Tensor:
        return plain_torch(x, batch, reduce, weight, root)

    kernel = "propagate" if reduce in ("sum", "mean") else "propagate_max"
    name = f"{reduce}, weighted edges and root" if weighted else reduce
    return Case(name, fused, reference, partial(inputs, weighted=weighted), kernel=kernel)


@pytest.mark.parametrize(
    "case", [case(reduce, weighted) for reduce in ("sum", "mean", "max", "min") for weighted in (False, True)], ids=str
)
def test_everything(case: Case) -> None:
    check_everything(case)


@pytest.mark.parametrize("function", [propagate, plain_torch])
def test_a_node_without_in_edges_gets_zeros(function) -> None:
    batch = batches()["all kinds"]
    lonely = batch.rowptr.diff() == 0
    for reduce in ("sum", "mean", "max", "min"):
        assert not function(torch.randn(batch.num_nodes, 3, device=DEVICE), batch, reduce)[lonely].any()


@pytest.mark.parametrize("function", [propagate, plain_torch])
@pytest.mark.parametrize("value", [0.0, 1.0, float("-inf")])
def test_the_gradient_of_a_tie_goes_along_the_first_edge(function, value: float) -> None:
    batch = batches()["all kinds"]
    received = batch.rowptr.diff() > 0
    first = torch.zeros(batch.num_nodes, 2, device=DEVICE).index_add(
        0, batch.edges.source[batch.rowptr[:-1][received]], torch.ones(int(received.sum()), 2, device=DEVICE)
    )
    for reduce in ("max", "min"):
        x = torch.full((batch.num_nodes, 2), value, requires_grad=True, device=DEVICE)
        function(x, batch, reduce).backward(torch.ones(batch.num_nodes, 2, device=DEVICE))
        assert_close(x.grad, first)


@pytest.mark.parametrize("function", [propagate, plain_torch])
def test_nan_reaches_every_out_neighbour_and_no_other(function) -> None:
    batch = batches()["larger"]
    source, target = batch.edges.source, batch.edges.target
    for width in (1, 16, 70):
        x = torch.randn(batch.num_nodes, width, device=DEVICE)
        x[7], x[9] = float("nan"), float("inf")
        reached = torch.zeros(batch.num_nodes, dtype=torch.bool, device=DEVICE)
        reached[target[source == 7]] = True
        assert reached.any()
        for reduce in ("max", "min"):
            out = function(x, batch, reduce)
            assert torch.equal(out.isnan(), reached.unsqueeze(-1).expand_as(out)), reduce


def test_a_sum_is_the_sparse_product() -> None:
    batch = batches()["larger"]
    shapes = ((batch.num_nodes, 40), batch.edge_index.shape[1], batch.num_nodes)
    x, weight, root = (torch.randn(shape, dtype=torch.float64, device=DEVICE) for shape in shapes)
    matrix = root.diag().index_put((batch.edges.target, batch.edges.source), weight, accumulate=True)
    assert_close(propagate(x, batch, edge_weight=weight, root=root), matrix @ x)


def test_a_mean_of_equals_is_their_value_and_a_minimum_is_minus_the_maximum() -> None:
    batch = batches()["larger"]
    threes = torch.full((batch.num_nodes, 5), 3.0, device=DEVICE)
    received = batch.rowptr.diff() > 0
    assert_close(propagate(threes, batch, "mean")[received], threes[received])
    x = torch.randn(batch.num_nodes, 5, device=DEVICE)
    assert torch.equal(propagate(x, batch, "min"), -propagate(-x, batch, "max"))


def test_an_unknown_reduction_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="median"):
        propagate(torch.zeros(1, 1, device=DEVICE), batches()["larger"], "median")  # type: ignore[arg-type]
