"""SPD: distances as networkx finds them, and their shares."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings import dense
from gnnlab.encodings.spd import SPD, distances
from gnnlab.testing import assert_encoding_lawful
from tests.encodings.spectral import SYMMETRIC
from tests.graphs import pack

GRAPHS = [*SYMMETRIC, nx.path_graph(9), nx.path_graph(1), nx.gnp_random_graph(20, 0.1, seed=0, directed=True)]


def by_definition(graph: nx.Graph, max_distance: int) -> torch.Tensor:
    """[n, n]."""
    found = torch.full((len(graph), len(graph)), max_distance + 1)
    for i, lengths in nx.all_pairs_shortest_path_length(graph, cutoff=max_distance):
        for j, length in lengths.items():
            found[i, j] = length
    return found


@pytest.mark.parametrize("max_distance", [1, 3, 10])
def test_distances_of_pairs(max_distance):
    expected = torch.cat([by_definition(graph, max_distance).flatten() for graph in GRAPHS])
    assert torch.equal(distances(pack(*GRAPHS).batch(), max_distance), expected)


@pytest.mark.parametrize("largest_dense", [0, 512])
def test_shares(largest_dense, monkeypatch):
    monkeypatch.setattr(dense, "LARGEST_DENSE", largest_dense)
    monkeypatch.setattr("gnnlab.encodings.spd.COLUMN_ELEMENTS", 60)
    expected = []
    for graph in GRAPHS:
        found = by_definition(graph, 4)
        expected.append(torch.stack([(found == d).float().mean(1) for d in range(1, 6)], 1))
    assert_close(SPD(4).precompute(pack(*GRAPHS))["spd"], torch.cat(expected))


def test_keeps_the_laws():
    assert_encoding_lawful(SPD(5))
