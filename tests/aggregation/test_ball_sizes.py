"""Balls: counted as a search counts them, estimated within the error, each graph's by itself."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.aggregation.ball_sizes import DRAWS, WORDS, ball_sizes
from gnnlab.batch import Batch
from gnnlab.testing import sample
from tests.graphs import one_graph


def searched(batch: Batch, hops: int) -> torch.Tensor:
    graph = nx.DiGraph(batch.edge_index.flip(0).T.tolist())
    graph.add_nodes_from(range(batch.num_nodes))
    found = [nx.single_source_shortest_path_length(graph, node, hops).values() for node in range(batch.num_nodes)]
    return torch.tensor([[sum(d <= hop for d in all) for all in found] for hop in range(1, hops + 1)]).double()


def test_counts_are_those_of_a_search() -> None:
    batch = sample().batch()
    assert_close(ball_sizes(batch, 5), searched(batch, 5))


def test_of_a_directed_graph() -> None:
    edges = torch.randint(50, (2, 90), generator=torch.Generator().manual_seed(0)).unique(dim=1)
    batch = one_graph(50, edges).batch()
    assert_close(ball_sizes(batch, 6), searched(batch, 6))


def test_of_more_nodes_than_are_looked_at_in_one_go() -> None:
    nodes = 64 * WORDS * 2 + 100
    path = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
    batch = one_graph(nodes, path).batch()
    wanted = torch.stack([torch.arange(1, nodes + 1).clamp(max=hop + 1) for hop in range(1, 5)])
    assert_close(ball_sizes(batch, 4), wanted.double())


def test_estimates_are_within_their_error() -> None:
    batch = sample().batch()
    ratio = ball_sizes(batch, 8, exact=0) / ball_sizes(batch, 8)
    assert abs(ratio.mean() - 1) < 0.05
    assert ratio.std() < 1.5 / (DRAWS - 2) ** 0.5


@pytest.mark.parametrize("exact", [0, 20, 1000])
def test_a_graph_is_seen_by_itself(exact: int) -> None:
    """Counted or estimated by its own size, whatever is beside it."""
    graphs = sample()
    alone = [ball_sizes(graphs.batch(i, i + 1), 3, exact) for i in range(graphs.num_graphs)]
    assert torch.equal(ball_sizes(graphs.batch(), 3, exact), torch.cat(alone, 1))


def test_without_nodes_or_edges() -> None:
    none = torch.zeros(2, 0, dtype=torch.long)
    assert ball_sizes(one_graph(3, none).batch(), 2).eq(1).all()
    assert ball_sizes(one_graph(0, none).batch(), 2).shape == (2, 0)
