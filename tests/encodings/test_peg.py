"""PEG: neither signs, nor bases, nor any turn of the positions show; a cut eigenspace never enters."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.peg import PEG, squared_distances
from gnnlab.errors import UsageError
from gnnlab.testing import assert_encoding_lawful
from tests.encodings.spectral import SYMMETRIC, encoded, replaced


def test_no_turn_of_the_positions_shows():
    batch = encoded(PEG(k=4), *SYMMETRIC)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
    module = PEG(k=4).encoder(6).double()
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


def test_keeps_the_laws():
    assert_encoding_lawful(PEG(k=5, laplacian="sym"))


def test_refuses_vectors_that_are_not_orthonormal():
    with pytest.raises(UsageError, match="orthonormal"):
        PEG(laplacian="rw")
