"""Properties of generated graphs, against networkx; and the kinds of graphs they are of."""

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from gnnlab.datasets.graph_theory import KINDS, GraphProperties, NodeProperties, caterpillar, moved
from gnnlab.datasets.source import DataSource
from gnnlab.packed import Packed


@pytest.fixture
def source(tmp_path: Path) -> DataSource:
    return DataSource(str(tmp_path), download=False)


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
    small = GraphProperties(source, num_train=30, num_val=1, num_test=1)
    train = small.load()[0]["train"]
    assert torch.equal(train.edge_index[:, train.transpose].flip(0), train.edge_index)
    assert (train.edge_index[0] != train.edge_index[1]).all()
    assert 12 <= train.ptr.diff().min() <= train.ptr.diff().max() <= 50
    assert torch.equal(train.edge_index, replace(small, num_test=2).load()[0]["train"].edge_index)
    assert not torch.equal(train.ptr, replace(small, seed=1).load()[0]["train"].ptr)


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_every_kind_of_graph_at_every_size(number: int) -> None:
    random = np.random.default_rng(0)
    for nodes in range(15, 51):
        graph = KINDS[number][1](nodes, random)
        assert nodes * 0.7 <= len(graph) <= nodes
    assert sum(share for share, _ in KINDS) == pytest.approx(1)


def test_caterpillars_and_lobsters() -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        lobster = caterpillar(30, 8, random, deeper=True)
        assert nx.is_tree(lobster)
        assert len(lobster) == 30
        for tree in (caterpillar(30, 8, random), without_leaves(lobster)):
            assert max(degree for _, degree in without_leaves(tree).degree) <= 2


def without_leaves(tree: nx.Graph) -> nx.Graph:
    return tree.subgraph([node for node, degree in tree.degree if degree > 1])


def test_moving_edges_keeps_their_number_on_average() -> None:
    random, graph = np.random.default_rng(0), nx.to_numpy_array(nx.grid_2d_graph(6, 6))
    copies = [moved(graph, random) for _ in range(200)]
    assert np.mean([copy.sum() for copy in copies]) == pytest.approx(graph.sum(), rel=0.02)
    assert np.mean([(copy * graph).sum() for copy in copies]) == pytest.approx(0.9 * graph.sum(), rel=0.02)
    assert all((copy == copy.T).all() and not copy.diagonal().any() for copy in copies)
