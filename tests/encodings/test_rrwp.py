"""RRWP: the diagonal is RWSE one step later, the pairs are powers of the walk."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.rrwp import RRWP, relative_walks
from gnnlab.encodings.rwse import RWSE
from gnnlab.testing import assert_encoding_lawful
from tests.encodings.spectral import SYMMETRIC, encoded
from tests.graphs import pack

GRAPHS = [*SYMMETRIC, nx.path_graph(1), nx.gnp_random_graph(30, 0.1, seed=0)]


def test_diagonal_is_rwse_one_step_later():
    found = RRWP(6).precompute(pack(*GRAPHS))["rrwp"]
    assert_close(found[:, 1:], RWSE(5).precompute(pack(*GRAPHS))["rwse"])
    assert (found[:, 0] == 1).all()


@pytest.mark.parametrize("directed", [False, True])
def test_pairs_are_powers_of_the_walk(directed):
    graphs = [
        *GRAPHS,
        nx.gnp_random_graph(9, 0.2, seed=1, directed=directed),
        nx.MultiDiGraph([(0, 1), (0, 1), (0, 0)]),
    ]
    expected = []
    for graph in graphs:
        adjacency = torch.from_numpy(nx.to_numpy_array(graph))
        walk = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
        expected.append(torch.stack([torch.linalg.matrix_power(walk, k) for k in range(5)], -1).view(-1, 5))
    assert_close(relative_walks(pack(*graphs).batch(), 5).double(), torch.cat(expected), atol=1e-6, rtol=0)


def test_diagonal_of_pairs_is_the_node_encoding():
    batch = encoded(RRWP(5), nx.karate_club_graph(), dtype=torch.float32)
    assert_close(relative_walks(batch, 5).view(34, 34, 5).diagonal().T, batch.node["rrwp"])


def test_keeps_the_laws():
    assert_encoding_lawful(RRWP(6))
