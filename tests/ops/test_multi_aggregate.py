"""PNA's four aggregators at once."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch_geometric.nn.aggr import MultiAggregation

from gnnlab.batch import Batch
from gnnlab.ops import multi_aggregate
from gnnlab.ops.multi_aggregate import reference
from tests.ops.parity import DEVICE, Case, batches, check_everything


def messages(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [torch.randn(batch.edge_index.shape[1], width, dtype=dtype)]


@pytest.mark.parametrize(
    "case", [Case("multi_aggregate", multi_aggregate, reference, messages, kernel="multi_aggregate")], ids=str
)
def test_everything(case: Case) -> None:
    check_everything(case)


@pytest.mark.parametrize("function", [multi_aggregate, reference])
def test_all_four_are_zero_without_in_edges(function) -> None:
    batch = batches()["all kinds"]
    lonely = batch.rowptr.diff() == 0
    assert lonely.any()
    assert not function(torch.randn(batch.edge_index.shape[1], 20, device=DEVICE), batch)[lonely].any()


def test_equal_messages_have_the_smallest_deviation_and_finite_gradients() -> None:
    batch = batches()["larger"]
    m = torch.full((batch.edge_index.shape[1], 20), 3.0, requires_grad=True, device=DEVICE)
    out = multi_aggregate(m, batch)
    mean, low, high, std = out[batch.rowptr.diff() > 0].chunk(4, dim=-1)
    for value in (mean, low, high):
        assert_close(value, torch.full_like(value, 3.0))
    assert_close(std, torch.full_like(std, 1e-5**0.5))
    out.sum().backward()
    assert m.grad is not None
    assert m.grad.isfinite().all()


def test_a_large_mean_does_not_cancel_the_deviation() -> None:
    batch = batches()["larger"]
    noise = torch.randn(batch.edge_index.shape[1], 20, device=DEVICE)
    exact = reference(noise.double(), batch)[:, 60:].float()
    assert_close(multi_aggregate(noise + 1024, batch)[:, 60:], exact, rtol=1e-3, atol=1e-3)


def test_away_from_its_threshold_it_is_what_pyg_computes() -> None:
    batch = batches()["larger"]
    m = torch.randn(batch.edge_index.shape[1], 20, dtype=torch.float64, device=DEVICE)
    theirs = MultiAggregation(["mean", "min", "max", "std"])(m, batch.edges.target, dim_size=batch.num_nodes)
    ours = multi_aggregate(m, batch)
    several = theirs[:, 60:].min(dim=1).values > 0.01
    assert several.any()
    assert_close(ours[:, :60], theirs[:, :60])
    assert_close((ours[several, 60:] ** 2 - 1e-5).sqrt(), theirs[several, 60:])


@pytest.mark.parametrize("function", [multi_aggregate, reference])
def test_nan_reaches_all_four_of_its_node_and_no_other(function) -> None:
    batch = batches()["larger"]
    m = torch.randn(batch.edge_index.shape[1], 20, device=DEVICE)
    m[12, 3] = float("nan")
    node = int(batch.edges.target[12])
    assert function(m, batch).isnan().nonzero().tolist() == [[node, 3 + 20 * k] for k in range(4)]
