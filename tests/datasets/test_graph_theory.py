"""Properties of generated graphs, against networkx; and the kinds of graphs they are of."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from gnnlab.datasets.graph_theory import KINDS, GraphProperties, NodeProperties, caterpillar, drawn, moved
from gnnlab.datasets.source import DataSource
from gnnlab.packed import Packed


def graphs_of(packed: Packed):
    for i in range(packed.num_graphs):
        batch = packed.batch(i, i + 1)
        graph = nx.Graph()
        graph.add_nodes_from(range(batch.num_nodes))
        graph.add_edges_from(batch.edge_index.T.tolist())
        yield graph, batch


def one_scale(found: list, expected: list) -> None:
    """Each column of `found` is that of `expected` over one number."""
    scaled = np.concatenate(found) * np.abs(np.concatenate(expected)).max(0)
    np.testing.assert_allclose(scaled, np.concatenate(expected), rtol=1e-4, atol=1e-4)


def test_properties_of_nodes(source: DataSource) -> None:
    found, expected = [], []
    for graph, batch in graphs_of(NodeProperties(source, num_train=40, num_val=5, num_test=5).load()[0]["train"]):
        signal, marked = batch.node["x"].double().T
        (start,) = marked.nonzero().flatten().tolist()
        parts = [graph.subgraph(part) for part in nx.connected_components(graph)]
        eccentricity = {node: value for part in parts for node, value in nx.eccentricity(part).items()}
        distance = nx.single_source_shortest_path_length(graph, start)
        laplacian = nx.laplacian_matrix(graph, nodelist=range(len(graph))).toarray() @ signal.numpy()
        expected.append(np.stack([[eccentricity[i], distance.get(i, 0), laplacian[i]] for i in range(len(graph))]))
        found.append(batch.node["y"].numpy())
    one_scale(found, expected)


def test_properties_of_graphs(source: DataSource) -> None:
    found, expected = [], []
    for graph, batch in graphs_of(GraphProperties(source, num_train=60, num_val=5, num_test=5).load()[0]["train"]):
        diameter = max(nx.diameter(graph.subgraph(part)) for part in nx.connected_components(graph))
        radius = np.abs(nx.adjacency_spectrum(graph)).max()
        expected.append(np.array([[nx.is_connected(graph), diameter, radius]]))
        found.append(batch.graph["y"].numpy())
    one_scale(found, expected)
    assert 0 < np.concatenate(expected)[:, 0].mean() < 1, "some are connected"


def test_graphs_are_simple_undirected_and_fixed_by_the_seed(source: DataSource) -> None:
    small = GraphProperties(source, num_train=30, num_val=10, num_test=1)
    splits, _ = small.load()
    train = splits["train"]
    assert torch.equal(train.edge_index[:, train.transpose].flip(0), train.edge_index)
    assert (train.edge_index[0] != train.edge_index[1]).all()
    assert train.ptr.diff().bincount(minlength=25).tolist() == 15 * [0] + 10 * [3]
    assert splits["val"].ptr.diff().bincount().tolist() == 15 * [0] + 5 * [2]
    assert torch.equal(train.edge_index, replace(small, num_test=2).load()[0]["train"].edge_index)
    assert not torch.equal(train.edge_index, replace(small, seed=1).load()[0]["train"].edge_index)


def test_no_node_is_alone() -> None:
    random = np.random.default_rng(0)
    assert all(drawn(20, random).any(0).all() for _ in range(100))


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_every_kind_of_graph_at_every_size(number: int) -> None:
    random = np.random.default_rng(0)
    for nodes in range(15, 25):
        assert len(KINDS[number][1](nodes, random)) == nodes
    assert sum(share for share, _ in KINDS) == pytest.approx(1)


def test_grids_are_as_square_as_their_size_allows_and_cliques_apart() -> None:
    random = np.random.default_rng(0)
    grid, cliques, ladder = (KINDS[number][1] for number in (2, 3, 5))
    assert nx.is_isomorphic(grid(20, random), nx.grid_2d_graph(4, 5))
    assert nx.is_isomorphic(grid(17, random), nx.path_graph(17))
    assert sorted(map(len, nx.connected_components(cliques(20, random)))) == [5] * 4
    assert sorted(degree for _, degree in ladder(17, random).degree) == [1] + [2] * 3 + [3] * 13


def test_caterpillars_and_lobsters() -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        lobster = caterpillar(30, random, deeper=True)
        assert nx.is_tree(lobster)
        assert len(lobster) == 30
        for tree in (caterpillar(30, random), without_leaves(lobster)):
            assert max((degree for _, degree in without_leaves(tree).degree), default=0) <= 2


def without_leaves(tree: nx.Graph) -> nx.Graph:
    return tree.subgraph([node for node, degree in tree.degree if degree > 1])


def test_edges_are_moved_as_often_as_in_the_release() -> None:
    """With 2 p², p = 0.1 where edges are as many as other pairs, and less for the side that has more."""
    random = np.random.default_rng(0)
    for edges, gone, come in (
        (315, 0.02, 0.02),
        (60, 0.02, 0.02 * (60 / 570) ** 2),
        (570, 0.02 * (60 / 570) ** 2, 0.02),
    ):
        graph = nx.to_numpy_array(nx.gnm_random_graph(36, edges, seed=0))
        copies = np.stack([moved(graph, random) for _ in range(200)])
        assert (graph > copies).sum() / (400 * edges) == pytest.approx(gone, abs=0.004)
        assert (graph < copies).sum() / (400 * (630 - edges)) == pytest.approx(come, abs=0.004)
        assert (copies == copies.transpose(0, 2, 1)).all()
        assert not np.diagonal(copies, axis1=1, axis2=2).any()
