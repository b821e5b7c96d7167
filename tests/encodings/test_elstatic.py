"""Elstatic: closed forms, the pseudo-inverse, effective resistances, and nodes without edges."""

import networkx as nx
import torch
from torch.testing import assert_close

from gnnlab.encodings.elstatic import Elstatic
from gnnlab.testing import assert_encoding_lawful
from tests.encodings.spectral import SYMMETRIC
from tests.graphs import pack


def elstatic(*graphs: nx.Graph) -> torch.Tensor:
    return Elstatic().precompute(pack(*graphs))["elstatic"]


def potentials(graph: nx.Graph) -> torch.Tensor:
    inverse = torch.linalg.pinv(torch.from_numpy(nx.laplacian_matrix(graph).todense()).double(), hermitian=True)
    return inverse - inverse.diagonal()


def test_closed_form_of_two_nodes():
    """V = [[0, −½], [−½, 0]]."""
    half = [-0.5, 0.0, -0.25, 0.125**0.5]
    assert_close(elstatic(nx.path_graph(2)), torch.tensor([[*half, *half, -0.5, -0.5]] * 2))


def test_statistics_of_the_pseudo_inverse():
    graphs = [graph for graph in SYMMETRIC if graph.number_of_edges()]
    expected = []
    for graph in graphs:
        v = potentials(graph)
        a = torch.from_numpy(nx.to_numpy_array(graph))
        near = a / a.sum(1, keepdim=True) * v
        sides = [[s.min(1).values, s.max(1).values, s.mean(1), s.std(1)] for s in (v.T, v)]
        expected.append(torch.stack([*sides[0], *sides[1], near.sum(0), near.sum(1)], 1))
    assert_close(elstatic(*graphs).double(), torch.cat(expected), atol=1e-5, rtol=1e-5)


def test_resistances_of_a_path():
    v = potentials(nx.path_graph(5))
    nodes = torch.arange(5.0, dtype=torch.float64)
    assert_close(-(v + v.T), (nodes[:, None] - nodes).abs())
    least_at, least_from = elstatic(nx.path_graph(5))[:, [0, 4]].double().T
    assert_close((least_at, least_from), (v.min(0).values, v.min(1).values), atol=1e-5, rtol=0)


def test_no_potential_is_higher_than_a_nodes_own():
    assert_close(elstatic(*SYMMETRIC)[:, [1, 5]], torch.zeros(34 + 3, 2), atol=1e-6, rtol=0)


def test_nothing_acts_without_edges():
    assert_close(elstatic(nx.empty_graph(1), nx.empty_graph(4)), torch.zeros(5, 10))


def test_loops_do_not_count():
    with_loop = nx.path_graph(4)
    with_loop.add_edge(1, 1)
    assert_close(elstatic(with_loop), elstatic(nx.path_graph(4)))


def test_keeps_the_laws():
    assert_encoding_lawful(Elstatic())
