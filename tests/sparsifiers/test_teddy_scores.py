"""TEDDY's scores in closed form, and the laws they keep."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from gnnlab.packed import Packed
from gnnlab.sparsifiers.degree import Degree
from gnnlab.sparsifiers.teddy import Teddy, teddy_scores
from gnnlab.sparsifiers.undirected import strongest
from gnnlab.testing import permuted, sample, sample_spec
from tests.graphs import one_graph

Pairs = list[tuple[int, int]]
BARBELL: Pairs = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5)]


def edges(pairs: Pairs) -> Tensor:
    """[2, 2 m] both directions, sorted by (destination, source)."""
    both = sorted((j, i) for a, b in pairs for i, j in ((a, b), (b, a)))
    return torch.tensor([(i, j) for j, i in both], dtype=torch.long).t()


def graph(pairs: Pairs, num_nodes: int) -> Packed:
    index = edges(pairs)
    return one_graph(num_nodes, index)


def score_of(pairs: Pairs, num_nodes: int) -> dict[tuple[int, int], float]:
    index = edges(pairs)
    return {(int(i), int(j)): float(s) for i, j, s in zip(*index, teddy_scores(index, num_nodes), strict=True)}


def cycle(n: int) -> Pairs:
    return [(i, (i + 1) % n) for i in range(n)]


@pytest.mark.parametrize("n", [1, 2, 4, 9])
def test_star(n: int) -> None:
    """Centre 1/n, leaves n^{-1/2}: every edge n^{-3/2}."""
    assert score_of([(0, leaf) for leaf in range(1, n + 1)], n + 1).values() == pytest.approx([n**-1.5] * 2 * n)


@pytest.mark.parametrize(
    ("pairs", "n", "d"), [(cycle(3), 3, 2), (cycle(8), 8, 2), ([*combinations(range(4), 2)], 4, 3)]
)
def test_regular_graphs(pairs: Pairs, n: int, d: int) -> None:
    assert score_of(pairs, n).values() == pytest.approx([d**-3] * len(pairs) * 2)


def test_path_and_barbell() -> None:
    path = score_of([(0, 1), (1, 2), (2, 3)], 4)
    outer = (1 / 2**0.5) * (1 + 2**-0.5) / 4
    assert path[0, 1] == path[1, 0] == pytest.approx(outer)
    assert path[1, 2] == pytest.approx(((1 + 2**-0.5) / 4) ** 2)
    barbell = score_of(BARBELL, 6)
    assert [barbell[2, 3], barbell[0, 2], barbell[0, 1]] == pytest.approx([0.0490, 0.0711, 0.1031], abs=5e-5)


def test_the_middle_of_a_path_and_the_bridge_of_a_barbell_go_first() -> None:
    for pairs, n, first in (([(0, 1), (1, 2), (2, 3)], 4, (1, 2)), (BARBELL, 6, (2, 3))):
        graphs = graph(pairs, n)
        left = Teddy(0.8 if n == 6 else 0.5, sample_spec("graph"), distill=0).shrunk(graphs).edge_index
        gone = set(map(tuple, graphs.edge_index.t().tolist())) - set(map(tuple, left.t().tolist()))
        assert gone == {first, first[::-1]}


def test_nodes_without_edges_and_graphs_without_any() -> None:
    assert teddy_scores(torch.empty(2, 0, dtype=torch.long), 3).shape == (0,)
    assert score_of([(0, 1)], 5) == {(0, 1): 1.0, (1, 0): 1.0}


@pytest.mark.parametrize("part", [Teddy(0.5, sample_spec("graph")), Degree(0.5)], ids=["teddy", "degree"])
def test_scores_know_neither_node_numbers_nor_other_graphs(part: Teddy | Degree) -> None:
    graphs = sample()
    together = part.score(graphs)
    alone = [part.score(graphs.take(torch.tensor([i]))) for i in range(graphs.num_graphs)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=0)
    moved, order = permuted(graphs)
    place = order.argsort()
    before = {(int(place[i]), int(place[j])): s for (i, j), s in zip(graphs.edge_index.t(), together, strict=True)}
    after = {(int(i), int(j)): s for (i, j), s in zip(moved.edge_index.t(), part.score(moved), strict=True)}
    assert before == after


def test_components_score_as_alone() -> None:
    two = score_of([*cycle(5), *((a + 5, b + 5) for a, b in BARBELL)], 11)
    one = score_of(BARBELL, 6)
    assert all(two[i + 5, j + 5] == score for (i, j), score in one.items())


def test_equal_scores_are_left_in_order_and_both_directions_stay_together() -> None:
    graphs = graph(cycle(8), 8)
    kept = strongest(Teddy(0.5, sample_spec("graph")).score(graphs), graphs, 0.5)
    assert kept.sum() == 8
    left = graphs.edge_index[:, kept]
    assert set(map(tuple, left.t().tolist())) == set(map(tuple, left.flip(0).t().tolist()))
