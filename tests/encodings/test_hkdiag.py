"""HKdiag: closed forms, the matrix exponential, and what large times leave."""

import networkx as nx
import torch
from torch.testing import assert_close

from gnnlab.encodings import hkdiag as module
from gnnlab.encodings.hkdiag import HKdiag
from gnnlab.testing import assert_encoding_lawful
from tests.encodings.spectral import SYMMETRIC
from tests.graphs import pack

TIMES = torch.arange(1, 6)


def hkdiag(*graphs: nx.Graph, times: int = 5) -> torch.Tensor:
    return HKdiag(times).precompute(pack(*graphs))["hkdiag"]


def test_closed_forms():
    """K2: ½ e^(−2t); Kn: (1 − 1/n) e^(−nt); nothing at isolated nodes."""
    assert_close(hkdiag(nx.path_graph(2)), 0.5 * (-2 * TIMES).exp().expand(2, 5))
    assert_close(hkdiag(nx.complete_graph(5)), 0.8 * (-5 * TIMES).exp().expand(5, 5))
    assert_close(hkdiag(nx.empty_graph(3)), torch.zeros(3, 5))


def test_is_the_heat_kernel_less_its_constant_mode(monkeypatch):
    monkeypatch.setattr(module, "ROW_ELEMENTS", 40)
    expected = []
    for graph in SYMMETRIC:
        laplacian = torch.from_numpy(nx.laplacian_matrix(graph).todense()).double()
        constant = torch.zeros_like(laplacian)
        for component in nx.connected_components(graph):
            one = torch.tensor([float(node in component) for node in graph])
            constant += one[:, None] * one / len(component)
        expected.append(torch.stack([(torch.matrix_exp(-t * laplacian) - constant).diagonal() for t in TIMES], 1))
    assert_close(hkdiag(*SYMMETRIC).double(), torch.cat(expected), atol=1e-6, rtol=0)


def test_keeps_the_laws():
    assert_encoding_lawful(HKdiag(6))
