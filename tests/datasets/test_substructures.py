"""Counts of substructures against closed forms and a search; graphs with exactly one cycle."""

from itertools import combinations, permutations
from math import comb

import networkx as nx
import numpy as np
import pytest
import torch

from gnnlab.datasets.source import DataSource
from gnnlab.datasets.substructures import REGULAR, CountSubstructures, Cycles, count, thinned_regular

PATTERNS = {
    "triangle": nx.cycle_graph(3),
    "tailed_triangle": nx.lollipop_graph(3, 1),
    "star": nx.star_graph(3),
    "four_cycle": nx.cycle_graph(4),
}


def adjacency(graph: nx.Graph) -> torch.Tensor:
    return torch.from_numpy(nx.to_numpy_array(graph))[None]


def occurrences(graph: nx.Graph, pattern: nx.Graph) -> int:
    """Sets of edges that form the pattern, by trying all ways to place its nodes."""
    size, found = len(pattern), set()
    for nodes in combinations(graph, size):
        for placed in permutations(nodes):
            edges = frozenset(frozenset((placed[a], placed[b])) for a, b in pattern.edges)
            if all(graph.has_edge(*edge) for edge in edges):
                found.add(edges)
    return len(found)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_counts_against_a_search(pattern) -> None:
    for seed in range(4):
        graph = nx.gnp_random_graph(8, 0.5, seed=seed)
        assert count(adjacency(graph), pattern).item() == occurrences(graph, PATTERNS[pattern])


def test_counts_in_complete_graphs() -> None:
    n, complete = 7, adjacency(nx.complete_graph(7))
    expected = {
        "triangle": comb(n, 3),
        "tailed_triangle": comb(n, 3) * 3 * (n - 3),
        "star": n * comb(n - 1, 3),
        "four_cycle": comb(n, 4) * 3,
    }
    assert {pattern: count(complete, pattern).item() for pattern in expected} == expected


def test_random_graphs_are_regular_ones_less_as_many_edges_as_nodes() -> None:
    random, seen = np.random.default_rng(0), set()
    for _ in range(40):
        nodes, edges = thinned_regular(random)
        degree = dict(REGULAR)[nodes]
        seen.add(nodes)
        assert edges.shape == (2, nodes * degree // 2 - nodes)
        assert len({frozenset(edge) for edge in edges.T.tolist()}) == edges.shape[1]
        assert np.bincount(edges.ravel()).max() <= degree
    assert seen == set(dict(REGULAR))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_targets_are_counts_over_one_deviation(source: DataSource, pattern) -> None:
    splits, _ = CountSubstructures(source, pattern, num_graphs=60).load()
    assert [packed.num_graphs for packed in splits.values()] == [18, 12, 30]
    target, number = [], []
    for packed in splits.values():
        for i in range(packed.num_graphs):
            graph = nx.Graph(packed.batch(i, i + 1).edge_index.T.tolist())
            number.append(count(adjacency(graph), pattern).item())
        target.append(packed.graph["y"][:, 0])
    target, number = torch.cat(target), torch.tensor(number)
    torch.testing.assert_close(target, number / number.std(), rtol=1e-5, atol=1e-5)


def test_cycles_are_of_the_length_asked_for_or_of_another(source: DataSource) -> None:
    splits, _ = Cycles(source, length=5, nodes=20, num_train=40, num_val=4, num_test=4).load()
    train = splits["train"]
    for i in range(40):
        graph = nx.Graph(train.batch(i, i + 1).edge_index.T.tolist())
        assert (len(graph), graph.number_of_edges(), nx.is_connected(graph)) == (20, 20, True)
        (cycle,) = nx.cycle_basis(graph)
        assert (len(cycle) == 5) == bool(train.graph["y"][i])
        assert 3 <= len(cycle) <= 10
    assert train.graph["y"].mean() == 0.5
