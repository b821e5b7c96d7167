"""The smallest eigenpairs of a store of graphs: LAPACK's values, and vectors in LAPACK's eigenspaces."""

import networkx as nx
import pytest
import torch
from torch import Tensor

from gnnlab.encodings.dense import adjacency, without_directions
from gnnlab.encodings.laplacian import Laplacian, dense_eigenpairs
from gnnlab.ops import backend, eigenpairs
from gnnlab.packed import Packed
from tests.graphs import pack
from tests.ops.parity import needs_kernels

FAMILIES = {
    "paths": [nx.path_graph(n) for n in (1, 2, 3, 9, 16, 17, 40, 150)],
    "long": [nx.path_graph(400), nx.cycle_graph(401)],
    "cycles": [nx.cycle_graph(n) for n in range(3, 40)],
    "stars": [nx.star_graph(n) for n in (1, 3, 15, 16, 60)],
    "trees": [nx.random_labeled_tree(n, seed=n) for n in range(2, 90, 4)],
    "balanced trees": [nx.balanced_tree(r, h) for r in (2, 3) for h in (1, 2, 3)],
    "grids": [nx.grid_2d_graph(a, b) for a, b in ((2, 2), (3, 4), (5, 5), (6, 7))],
    "ladders": [nx.circular_ladder_graph(n) for n in (3, 4, 12, 30)],
    "components": [nx.disjoint_union_all([nx.cycle_graph(6)] * k + [nx.path_graph(3)] * k) for k in (1, 2, 4, 9)],
    "edgeless": [nx.empty_graph(n) for n in (0, 1, 5, 20)],
    "isolated nodes": [nx.disjoint_union(nx.path_graph(6), nx.empty_graph(n)) for n in (1, 20)],
    "random": [nx.gnp_random_graph(n, 2 / n, seed=n) for n in range(2, 60, 3)],
    "regular": [nx.random_regular_graph(3, n, seed=n) for n in (4, 10, 24, 50)],
    "symmetric": [nx.petersen_graph(), nx.dodecahedral_graph(), nx.cubical_graph(), nx.truncated_cube_graph()],
    "directed": [nx.gnp_random_graph(n, 1.5 / n, seed=n, directed=True) for n in (3, 10, 30, 60)],
    "loops, parallel edges": [
        nx.MultiGraph([(0, 1), (0, 1), (1, 2), (2, 2), (2, 3), (3, 0), (3, 0), (3, 4)]),
        nx.MultiDiGraph([(0, 1), (0, 1), (1, 0), (1, 2), (2, 2), (2, 3), (3, 0), (3, 4), (4, 3), (4, 3), (4, 3)]),
    ],
}


@pytest.fixture(autouse=True)
def _needs_a_kernel():
    needs_kernels()
    assert eigenpairs.is_fused()


def expected(graph: Packed, laplacian: Laplacian) -> tuple[Tensor, Tensor]:
    """All eigenvectors [n, n] and eigenvalues [n] of one graph, in float64."""
    columns = dense_eigenpairs(adjacency(graph), laplacian, graph.num_nodes)[0]
    return columns[:, :-1], columns[:, -1]


def check(graphs: Packed, laplacian: Laplacian, count: int) -> Tensor:
    """Holds the pairs that are found to LAPACK's; which are."""
    vectors, values, found = eigenpairs.smallest_eigenpairs(graphs, laplacian, count)
    assert vectors.shape == (graphs.num_nodes, count)
    for g in found.nonzero()[:, 0].tolist():
        one = graphs.take(torch.tensor([g]))
        n, k = one.num_nodes, min(one.num_nodes, count)
        mine = vectors[graphs.ptr[g] : graphs.ptr[g + 1]].double()
        assert (mine[:, k:] == 0).all()
        assert (values[g, k:] == torch.inf).all()
        if not n:
            continue
        spaces, all_values = expected(one, laplacian)
        torch.testing.assert_close(values[g, :k], all_values[:k], atol=1e-9, rtol=0)
        torch.testing.assert_close(mine[:, :k].norm(dim=0), torch.ones(k).double(), atol=1e-6, rtol=0)
        if laplacian == "rw":  # S⁻¹ u, which are orthonormal
            edges = without_directions(adjacency(one))[0].fill_diagonal_(0)
            root = edges.sum(1, keepdim=True).clamp(min=1).double().sqrt()
            mine, spaces = (torch.nn.functional.normalize(root * each, dim=0) for each in (mine, spaces))
        same = (all_values[:, None] - values[g, :k]).abs() < 1e-6
        within = ((spaces.T @ mine[:, :k]).square() * same).sum(0)
        torch.testing.assert_close(within, torch.ones(k).double(), atol=1e-5, rtol=0)
        torch.testing.assert_close(mine[:, :k].T @ mine[:, :k], torch.eye(k).double(), atol=1e-6, rtol=0)
    return found


LAPLACIANS: list[Laplacian] = ["none", "sym", "rw"]
PAIRWISE = [
    (family, LAPLACIANS[(i + j) % 3], count)
    for i, family in enumerate(FAMILIES)
    for j, count in enumerate((1, 10, 16, 40))
]
"""Each family with each Laplacian and with each count, and these two with each other."""


@pytest.mark.parametrize(("family", "laplacian", "count"), PAIRWISE)
def test_are_lapacks(family, laplacian, count):
    found = check(pack(*FAMILIES[family]), laplacian, count)
    assert found.float().mean() > 0.7


def test_leaves_dense_and_very_large_graphs_to_others():
    graphs = pack(nx.complete_graph(40), nx.path_graph(9), nx.gnp_random_graph(60, 0.5, seed=0), nx.path_graph(5000))
    assert check(graphs, "sym", 8).tolist() == [False, True, False, False]


def test_has_the_same_bits_alone_and_on_two_threads():
    graphs = pack(*(graph for family in FAMILIES.values() for graph in family))
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(eigenpairs.smallest_eigenpairs(graphs, "sym", 10))
    torch.set_num_threads(before)
    graphs_alone = (graphs.take(torch.tensor([g])) for g in range(graphs.num_graphs))
    singly = [eigenpairs.smallest_eigenpairs(graph, "sym", 10) for graph in graphs_alone]
    results.append(tuple(torch.cat(parts) for parts in zip(*singly, strict=True)))
    found = results[0][2]
    rows = found.repeat_interleave(graphs.ptr.diff())
    for vectors, values, again in results[1:]:
        assert torch.equal(again, found)
        assert torch.equal(values[found], results[0][1][found])
        assert torch.equal(vectors[rows], results[0][0][rows])


def test_the_entry_of_largest_magnitude_is_positive():
    vectors, _, _ = eigenpairs.smallest_eigenpairs(pack(nx.path_graph(30)), "sym", 10)
    assert (vectors.gather(0, vectors.abs().argmax(0, keepdim=True)) > 0).all()


def test_no_graph_has_no_rows():
    none = pack(nx.path_graph(2)).take(torch.tensor([], dtype=torch.long))
    assert [len(part) for part in eigenpairs.smallest_eigenpairs(none, "none", 4)] == [0, 0, 0]


def test_ops_reference_leaves_the_kernel_alone():
    with backend.using("reference"):
        assert not eigenpairs.is_fused()
