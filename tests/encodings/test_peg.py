"""PEG: neither signs, nor bases, nor any turn of the positions show; a cut eigenspace never enters."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.peg import PEG, DistanceGate, squared_distances
from gnnlab.errors import UsageError
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gine import GINE
from gnnlab.testing import assert_encoding_lawful
from tests.encodings.spectral import SYMMETRIC, encoded, replaced


@pytest.mark.parametrize("module", [PEG(k=4).encoder(6), DistanceGate(6)], ids=["encoder", "gate"])
def test_no_turn_of_the_positions_shows(module):
    batch = encoded(PEG(k=4), *SYMMETRIC)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    module = module.double()
    assert_close(module(replaced(batch, peg_vec=batch.node["peg_vec"] @ turn)), module(batch), rtol=0, atol=1e-12)


def test_an_eigenspace_is_taken_whole_or_not_at_all():
    """C6: 0, 1, 1, …: one vector of two, and all edges alike with three."""
    assert encoded(PEG(k=2), nx.cycle_graph(6)).node["peg_vec"][:, 1].abs().max() == 0
    distances = squared_distances(encoded(PEG(k=3), nx.cycle_graph(6)))
    assert_close(distances, distances[:1].expand(12, 1), atol=1e-6, rtol=0)
    assert distances[0] > 0.1


def test_positions_of_a_path():
    """P2: p = (1, ±1) / √2."""
    assert_close(squared_distances(encoded(PEG(k=2), nx.path_graph(2))), torch.full((2, 1), 2.0, dtype=torch.float64))


@pytest.mark.parametrize("conv", [GatedGCN, GINE])
def test_the_gate_is_an_edge_weight_of_every_conv(conv):
    batch = encoded(PEG(), nx.cycle_graph(5), dtype=torch.float32)
    gate, layer = DistanceGate(4), conv(6)
    x, e = torch.randn(5, 6), torch.randn(10, 6)
    layer(x, e, batch, gate(batch))[0].sum().backward()
    assert ((gate(batch) > 0) & (gate(batch) < 1)).all()
    assert all(parameter.grad is not None for parameter in gate.parameters())


def test_keeps_the_laws():
    assert_encoding_lawful(PEG(k=5, laplacian="sym"))


def test_refuses_vectors_that_are_not_orthonormal():
    with pytest.raises(UsageError, match="orthonormal"):
        PEG(laplacian="rw")
