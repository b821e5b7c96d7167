"""Degree: what is counted, and which vectors it picks."""

import networkx as nx
import torch

from gnnlab.encodings.degree import Degree
from gnnlab.testing import assert_encoding_lawful
from tests.encodings.spectral import encoded


def test_in_and_out_degrees_are_counted_apart():
    graph = nx.MultiDiGraph([(0, 1), (0, 1), (0, 2), (2, 2)])
    assert encoded(Degree(), graph).node["degree"].tolist() == [[0, 3], [2, 0], [2, 1]]


def test_high_degrees_share_a_vector():
    batch = encoded(Degree(max_degree=3), nx.star_graph(3), nx.star_graph(9))
    encoder = Degree(max_degree=3).encoder(5)
    out = encoder(batch)
    assert torch.equal(out[0], out[4])
    assert not torch.equal(out[0], out[1])
    assert torch.equal(out[0], encoder.of_in.weight[3] + encoder.of_out.weight[3])


def test_keeps_the_laws():
    assert_encoding_lawful(Degree(max_degree=3))
