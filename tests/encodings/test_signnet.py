"""SignNet: signs do not show, the basis of an eigenspace does, and columns a graph lacks are never seen."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.signnet import SignNet
from gnnlab.testing import assert_encoding_lawful, assert_padding_changes_nothing, sample
from tests.encodings.spectral import SYMMETRIC, encoded, replaced, settled
from tests.graphs import pack

NETS = ["mlp", "deepset"]


def small(**options) -> SignNet:
    return SignNet(**{"k": 4, "layers": 2, "hidden": 8, **options})


def flipped(batch, name):
    """Every column of every graph times a random sign."""
    signs = torch.randint(0, 2, (batch.num_graphs, batch.node[name].shape[1])) * 2 - 1
    return replaced(batch, **{name: batch.node[name] * signs[batch.batch]})


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("training", [False, True])
def test_signs_do_not_show(net, training):
    torch.manual_seed(0)
    encoding = small(net=net)
    batch = encoded(encoding, *SYMMETRIC)
    encoder = settled(encoding.encoder(5), batch).train(training)
    with torch.no_grad():
        expected = encoder(batch)
        assert expected.std(0).min() > 0.01
        for _ in range(3):
            assert_close(encoder(flipped(batch, "signnet_vec")), expected, rtol=1e-6, atol=1e-6)


def test_signs_show_in_lappe():
    encoding = LapPE(k=4)
    batch = encoded(encoding, nx.path_graph(7))
    encoder = encoding.encoder(5).double().eval()
    other = replaced(batch, lappe_vec=-batch.node["lappe_vec"])
    assert (encoder(other) - encoder(batch)).abs().max() > 1e-2


@pytest.mark.parametrize("net", NETS)
def test_the_basis_of_an_eigenspace_shows(net):
    torch.manual_seed(0)
    encoding = small(net=net, k=3)
    batch = encoded(encoding, nx.cycle_graph(6))
    encoder = settled(encoding.encoder(5), batch)
    vectors = batch.node["signnet_vec"].clone()
    root = 0.5**0.5
    vectors[:, 1:3] = vectors[:, 1:3] @ torch.tensor([[root, root], [-root, root]], dtype=torch.float64)
    with torch.no_grad():
        assert (encoder(replaced(batch, signnet_vec=vectors)) - encoder(batch)).abs().max() > 1e-2


def test_jumps_where_eigenvalues_cross():
    """The C6 of test_spe: two eigenvectors change places as the weight of an edge goes through 1."""
    torch.manual_seed(0)
    encoding = small(k=6)
    batch = encoded(encoding, nx.cycle_graph(6))
    encoder = settled(encoding.encoder(5), batch)

    def output(weight: float) -> torch.Tensor:
        adjacency = torch.from_numpy(nx.to_numpy_array(nx.cycle_graph(6)))
        adjacency[0, 1] = adjacency[1, 0] = weight
        _, vectors = torch.linalg.eigh(adjacency.sum(1).diag() - adjacency)
        with torch.no_grad():
            return encoder(replaced(batch, signnet_vec=vectors))

    assert (output(1 + 1e-7) - output(1 - 1e-7)).abs().max() > 1e-2


@pytest.mark.parametrize("net", NETS)
def test_keeps_the_laws(net):
    assert_encoding_lawful(small(net=net))


@pytest.mark.parametrize("net", NETS)
def test_padding_changes_nothing(net):
    encoding = small(net=net)
    assert_padding_changes_nothing(encoding.encoder(4), sample([encoding]).take(torch.tensor([0, 1, 2, 3, 5, 6])))


def test_columns_a_graph_lacks_are_never_seen():
    """In training a P3 among P3s gives the same whatever K is, once ρ sums."""
    torch.manual_seed(0)
    three, nine = small(net="deepset", k=3), small(net="deepset", k=9)
    encoder = three.encoder(4).double().train()
    graphs = [nx.path_graph(3), nx.star_graph(2)]
    assert_close(encoder(encoded(nine, *graphs)), encoder(encoded(three, *graphs)))


@pytest.mark.parametrize(("net", "parameters"), [("mlp", 64 * 32 + 64 + 128 + 64 * 8 + 8), ("deepset", 9_096)])
def test_parameters_of_rho(net, parameters):
    """As in GraphGPS on ZINC: 32 → 64 → 8, and 64 → 64 → 64 → 8, with batch norms between."""
    rho = SignNet(net=net).encoder(8).rho
    assert sum(parameter.numel() for parameter in rho.parameters()) == parameters


def test_tells_how_many_graphs_lose_a_part_of_an_eigenspace(caplog):
    small(k=2).precompute(pack(nx.cycle_graph(8), nx.path_graph(8), nx.cycle_graph(5)))
    assert "SignNet(k=2) cuts through a repeated eigenvalue in 2 of 3 graphs" in caplog.text
