"""Learnt halves that mix precisions under autocast."""

import networkx as nx
import pytest
import torch

from gnnlab.encodings.basisnet import BasisNet
from gnnlab.encodings.peg import PEG
from gnnlab.encodings.signnet import SignNet
from gnnlab.encodings.spe import SPE
from tests.encodings.spectral import encoded

NETS = ("mlp", "deepset")
ENCODINGS = [
    PEG(),
    BasisNet(6),
    *(SignNet(4, net=net, layers=2) for net in NETS),
    *(SPE(6, phi=phi) for phi in ("mlp", "deepsets")),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_learns_in_bfloat16(encoding):
    batch = encoded(encoding, nx.path_graph(5), nx.cycle_graph(6), dtype=torch.float32)
    encoder = encoding.encoder(8)
    with torch.autocast("cpu", torch.bfloat16):
        encoder(batch).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in encoder.parameters())
