"""Generated tasks of over-squashing: the published trees, rings and lollipops."""

import networkx as nx
import pytest
import torch

from gnnlab.datasets.over_squashing import RingTransfer, TreeNeighboursMatch, lollipop, ring
from gnnlab.datasets.source import DataSource
from gnnlab.errors import UsageError
from gnnlab.packed import Packed


def graph_of(edges: torch.Tensor) -> nx.Graph:
    return nx.Graph(edges.T.tolist())


def rows(packed: Packed, name: str) -> torch.Tensor:
    """An attribute of graphs of one size [G, n, …]."""
    return packed.node[name].unflatten(0, (packed.num_graphs, -1))


def test_all_96_trees_of_depth_two(source: DataSource) -> None:
    splits, spec = TreeNeighboursMatch(source, depth=2).load()
    assert [packed.num_graphs for packed in splits.values()] == [76, 10, 10]
    x = torch.cat([rows(packed, "x") for packed in splits.values()])
    assert len(x.unique(dim=0)) == 96 == 24 * 4, "each permutation with each key, once"
    assert spec.node.sizes == (5, 5)


def test_a_thousand_permutations_at_most(source: DataSource) -> None:
    x = torch.cat([rows(packed, "x") for packed in TreeNeighboursMatch(source, depth=3).load()[0].values()])
    assert len(x) == 8_000
    assert len(x[:, 7:, 1].unique(dim=0)) == 1_000


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_root_has_the_value_of_the_leaf_with_its_key(source: DataSource, depth: int) -> None:
    train = TreeNeighboursMatch(source, depth=depth, num_trees=200).load()[0]["train"]
    leaves = 2**depth
    x, y = rows(train, "x"), rows(train, "y")
    for tree, label in zip(x, y[:, 0], strict=True):
        lookup = dict(tree[leaves - 1 :].tolist())
        assert sorted(lookup) == sorted(lookup.values()) == list(range(1, leaves + 1))
        assert lookup[int(tree[0, 0])] == label + 1
        assert tree[0, 1] == 0
        assert not tree[1 : leaves - 1].any()
    assert rows(train, "mask").nonzero()[:, 1].unique().tolist() == [0]
    assert len(x.unique(dim=0)) == len(x)


def test_every_way_leads_to_the_root(source: DataSource) -> None:
    tree = TreeNeighboursMatch(source, depth=3, num_trees=10).load()[0]["train"].batch(0, 1)
    graph = nx.DiGraph(tree.edge_index.T.tolist())
    assert nx.is_arborescence(graph.reverse())
    distance = nx.shortest_path_length(graph, target=0)
    assert [distance[leaf] for leaf in range(7, 15)] == [3] * 8


def test_in_degrees_are_those_of_all_nodes_of_the_trees(source: DataSource) -> None:
    _, spec = TreeNeighboursMatch(source, depth=2, num_trees=50).load()
    assert spec.in_degrees == (4 * 40, 0, 3 * 40)


@pytest.mark.parametrize("kind", ["ring", "crossed", "lollipop"])
def test_transfer(source: DataSource, kind) -> None:
    splits, _ = RingTransfer(source, kind, nodes=12, num_train=50).load()
    train = splits["train"]
    x, y = rows(train, "x"), rows(train, "y")[:, 0]
    teller = 11 if kind == "lollipop" else 6
    assert y.bincount().tolist() == [10] * 5
    assert torch.equal(x[:, teller].argmax(1), y)
    assert (x.sum(2) == 5).sum(1).eq(10).all()
    assert not x[:, 0].any()
    assert torch.equal(train.edge_index[:, train.transpose].flip(0), train.edge_index)
    assert rows(train, "mask").nonzero()[:, 1].unique().tolist() == [0]


def test_the_graphs_and_their_distances() -> None:
    cycle, crossed, sweet = graph_of(ring(10, False)), graph_of(ring(10, True)), graph_of(lollipop(10))
    assert nx.is_isomorphic(cycle, nx.cycle_graph(10))
    assert nx.is_isomorphic(sweet, nx.lollipop_graph(5, 5))
    assert [nx.shortest_path_length(graph, 0, 5) for graph in (cycle, crossed)] == [5, 5]
    assert nx.shortest_path_length(sweet, 0, 9) == 6
    chords = {tuple(edge) for edge in ring(10, True).T.tolist()} - {tuple(edge) for edge in ring(10, False).T.tolist()}
    assert sorted(chords) == [(1, 8), (2, 7), (2, 9), (3, 6), (3, 8), (4, 7)]


def test_impossible_sizes_are_refused(source: DataSource) -> None:
    with pytest.raises(UsageError, match=r"dataset.nodes=7 must be an even number"):
        RingTransfer(source, nodes=7).load()
