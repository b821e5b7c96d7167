"""CSL (Murphy et al., 2019): the ten classes of 4-regular graphs on 41 nodes, which no plain MPNN tells apart."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.degree import Degree
from gnnlab.encodings.elstatic import Elstatic
from gnnlab.encodings.hkdiag import HKdiag
from gnnlab.encodings.peg import PEG
from gnnlab.encodings.rrwp import RRWP
from gnnlab.encodings.rwse import RWSE
from gnnlab.encodings.spd import SPD
from gnnlab.encodings.spe import SPE
from gnnlab.ops import pool
from tests.encodings.spectral import encoded, settled

SKIPS = (2, 3, 4, 5, 6, 9, 11, 12, 13, 16)
SOLVE = [RWSE(20), RRWP(21), HKdiag(20), Elstatic(), PEG(9), SPE(41, channels=4, layers=2, hidden=8)]


def outputs(encoding) -> torch.Tensor:
    """Sums over the nodes, [10, 8] for the classes and [10, 8] for renumbered copies of them."""
    torch.manual_seed(0)
    order = torch.randperm(41).tolist()
    graphs = [nx.circulant_graph(41, [1, skip]) for skip in SKIPS]
    copies = [nx.empty_graph(41) for _ in graphs]
    for graph, copy in zip(graphs, copies, strict=True):
        copy.add_edges_from((order[i], order[j]) for i, j in graph.edges)
    batch = encoded(encoding, *graphs, *copies)
    with torch.no_grad():
        return pool(settled(encoding.encoder(8), batch)(batch), batch, "sum").view(2, 10, 8)


@pytest.mark.parametrize("encoding", SOLVE, ids=lambda encoding: type(encoding).__name__)
def test_told_apart(encoding):
    graphs, copies = outputs(encoding)
    scale = float(graphs.std(0).max())
    assert_close(graphs, copies, rtol=0, atol=1e-4 * scale)
    apart = torch.cdist(graphs, graphs) + torch.eye(10) * scale
    assert apart.min() > 1e-3 * scale


def test_distances_tell_all_but_two_apart():
    """The graphs of skips 6 and 16 have equally many nodes at every distance."""
    graphs, _ = outputs(SPD(10))
    assert len(graphs.round(decimals=6).unique(dim=0)) == 9
    assert_close(graphs[SKIPS.index(6)], graphs[SKIPS.index(16)])


def test_degrees_tell_nothing():
    graphs, _ = outputs(Degree())
    assert_close(graphs, graphs[:1].expand(10, 8))
