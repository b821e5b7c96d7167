"""Scores of hops are those of dense powers; depths follow from them in closed form."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gnnlab.aggregation.hop_scores import depths, hop_scores, released_scores
from gnnlab.batch import Batch
from gnnlab.testing import sample
from tests.graphs import one_graph


def batch_of(num_nodes: int, edges: Tensor) -> Batch:
    return one_graph(num_nodes, edges).batch()


def ring(num_nodes: int) -> Batch:
    nodes = torch.arange(num_nodes)
    return batch_of(num_nodes, torch.cat([torch.stack([nodes, nodes.roll(s)]) for s in (1, -1)], 1))


def complete(num_nodes: int) -> Batch:
    return batch_of(num_nodes, (1 - torch.eye(num_nodes)).nonzero().T)


def dense(batch: Batch, weight: Tensor) -> Tensor:
    """Â with its loops; row i holds what node i hears."""
    adjacency = torch.zeros(batch.num_nodes, batch.num_nodes, dtype=torch.float64)
    adjacency.index_put_((batch.edge_index[1], batch.edge_index[0]), weight.double(), accumulate=True)
    adjacency += torch.eye(batch.num_nodes)
    inward, outward = adjacency.sum(1), adjacency.sum(0)
    return adjacency * inward.rsqrt()[:, None] * outward.rsqrt()


def test_scores_are_the_means_of_the_rows_of_dense_powers() -> None:
    batch = sample().take(torch.tensor([0, 1, 2, 3, 5, 6])).batch()
    weight = torch.rand(batch.num_edges, generator=torch.Generator().manual_seed(0)) + 0.5
    power = propagation = dense(batch, weight)
    for score in hop_scores(batch, weight, 6):
        assert_close(score, power.sum(1) / (power != 0).sum(1))
        power = power @ propagation


def test_scores_of_a_directed_graph() -> None:
    edges = torch.randint(30, (2, 50), generator=torch.Generator().manual_seed(0)).unique(dim=1)
    batch = batch_of(30, edges[:, edges[0] != edges[1]])
    power = propagation = dense(batch, torch.ones(batch.num_edges))
    for score in hop_scores(batch, torch.ones(batch.num_edges), 4):
        assert_close(score, power.sum(1) / (power != 0).sum(1))
        power = power @ propagation


def test_released_scores_are_those_of_element_wise_powers() -> None:
    batch = sample().take(torch.tensor([3, 5, 6])).batch()
    weight = torch.rand(batch.num_edges, generator=torch.Generator().manual_seed(0)) + 0.5
    entries = dense(batch, weight)
    for hop, score in enumerate(released_scores(batch, weight, 4), start=1):
        assert_close(score, (entries**hop).sum(1) / (entries != 0).sum(1))


def test_of_a_ring_and_of_a_complete_graph() -> None:
    """Rows of Â^ℓ sum to 1 in a regular graph, over 2ℓ + 1 nodes of a ring, and all n of a complete graph."""
    for hop, score in enumerate(hop_scores(ring(20), torch.ones(40), 5), start=1):
        assert_close(score, torch.full((20,), 1 / (2 * hop + 1), dtype=torch.float64))
    for score in hop_scores(complete(5), torch.ones(20), 3):
        assert_close(score, torch.full((5,), 0.2, dtype=torch.float64))
    for hop, score in enumerate(released_scores(ring(20), torch.ones(40), 3), start=1):
        assert_close(score, torch.full((20,), 3.0**-hop, dtype=torch.float64))


@pytest.mark.parametrize(("beta", "depth"), [(0, 8), (1 / 16, 7), (0.1, 4), (0.3, 1), (1.0, 1), (float("inf"), 1)])
def test_depth_on_a_ring(beta: float, depth: int) -> None:
    assert depths(ring(40), torch.ones(80), beta, layers=8).eq(depth).all()


@pytest.mark.parametrize(("beta", "depth"), [(0, 8), (0.1, 3), (0.2, 2), (float("inf"), 2)])
def test_depth_as_released(beta: float, depth: int) -> None:
    """Two layers at least, and one more than the last hop above β, of the scores 3^{-ℓ}."""
    assert depths(ring(40), torch.ones(80), beta, layers=8, released=True).eq(depth).all()


def test_one_layer_and_sixty_four() -> None:
    assert depths(ring(200), torch.ones(400), 0.01, layers=1).eq(1).all()
    assert depths(ring(200), torch.ones(400), 0.01, layers=64).eq(49).all()
    assert depths(ring(200), torch.ones(400), 0.0, layers=64).eq(64).all()
