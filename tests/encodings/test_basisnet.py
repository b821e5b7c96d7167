"""BasisNet: neither signs nor bases show, in graphs with repeated eigenvalues; what goes into it; its layers."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.basisnet import BasisNet, IGNLayer
from gnnlab.encodings.columns import node_pairs
from gnnlab.errors import UsageError
from gnnlab.testing import assert_padding_changes_nothing, sample
from tests.encodings.spectral import SYMMETRIC, another_basis, encoded, settled
from tests.graphs import pack


def small(**options) -> BasisNet:
    return BasisNet(**{"k": 12, "layers": 2, "hidden": 6, **options})


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("k", [2, 4, 12])
@pytest.mark.parametrize("laplacian", ["sym", "none"])
def test_neither_signs_nor_the_basis_change_it(laplacian, dtype, tolerance, k):
    torch.manual_seed(0)
    encoding = small(k=k, laplacian=laplacian)
    batch = encoded(encoding, *SYMMETRIC, nx.path_graph(7), dtype=dtype)
    encoder = settled(encoding.encoder(5), batch)
    with torch.no_grad():
        expected = encoder(batch)
        assert expected.std(0).min() > 0.01
        for seed in range(3):
            found = encoder(another_basis(batch, "basisnet", seed))
            assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def test_eigenvalues_are_equal_within_a_space_and_the_spaces_those_of_the_graph():
    values = encoded(small(), nx.petersen_graph(), nx.cycle_graph(6)).node["basisnet_val"]
    petersen, ring = values[0], values[10]
    assert petersen.unique(return_counts=True)[1].tolist() == [2, 1, 5, 4]  # −1 for what is lacking
    assert ring.unique(return_counts=True)[1].tolist() == [6, 1, 2, 2, 1]


def test_it_tells_nodes_of_a_graph_apart():
    """The ends of a path are alike, and so are the leaves of a star; others are not."""
    torch.manual_seed(1)
    encoding = small()
    batch = encoded(encoding, nx.path_graph(7), nx.star_graph(6))
    with torch.no_grad():
        out = settled(encoding.encoder(5), batch)(batch)
    assert_close(out[0], out[6], rtol=0, atol=1e-5)
    assert_close(out[8], out[13], rtol=0, atol=1e-5)
    assert min((out[0] - out[1]).abs().max(), (out[7] - out[8]).abs().max()) > 1e-2


def test_a_layer_is_any_symmetric_equivariant_map_written_densely():
    torch.manual_seed(0)
    n, layer, batch = 5, IGNLayer(3).double(), pack(nx.path_graph(5)).batch()
    h = torch.randn(n, n, 2, 3, dtype=torch.float64)
    h = h + h.transpose(0, 1)
    own = h.diagonal().movedim(-1, 0)
    means = own.mean(0), h.mean((0, 1))
    of_nodes = torch.cat([h.mean(1), own, *(mean.expand(n, 2, 3) for mean in means)], -1)
    either = layer.ends(of_nodes)
    expected = layer.own(h) + either[:, None] + either[None]
    expected[torch.arange(n), torch.arange(n)] += layer.diagonal(of_nodes)
    pairs = node_pairs(batch)
    found = layer(h.flatten(0, 1), batch, (pairs.batch, pairs.node["column"]))
    assert_close(found, expected.relu().flatten(0, 1))


def test_padding_changes_nothing():
    encoding = small()
    assert_padding_changes_nothing(encoding.encoder(4), sample([encoding]).take(torch.tensor([0, 1, 2, 3, 5, 6])))


def test_refuses_vectors_that_are_not_orthonormal():
    with pytest.raises(UsageError, match="orthonormal"):
        BasisNet(laplacian="rw")


def test_a_batch_without_nodes():
    graphs = pack(nx.path_graph(2))
    assert small().encoder(4)(graphs.with_node(**small().precompute(graphs)).batch(0, 0)).shape == (0, 4)
