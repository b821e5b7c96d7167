"""SPE: invariance, what its tensors are, stability, truncation, and the published parameter counts."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.spe import SPE, SPEEncoder
from gnnlab.errors import UsageError
from gnnlab.padding import Size, pad
from gnnlab.testing import assert_encoding_lawful, assert_padding_changes_nothing, sample
from tests.encodings.spectral import SYMMETRIC, another_basis, encoded, orthonormal, replaced, settled
from tests.graphs import pack

PHIS = ["mlp", "deepsets", "one"]


def small(**options) -> SPE:
    return SPE(**{"k": 12, "channels": 3, "layers": 2, "hidden": 8, **options})


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Up to `tolerance` of the largest entry."""
    assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


@pytest.mark.parametrize("phi", PHIS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("k", [2, 4, 12])
def test_neither_signs_nor_the_basis_change_it(phi, dtype, tolerance, k):
    torch.manual_seed(0)
    encoding = small(phi=phi, k=k)
    batch = encoded(encoding, *SYMMETRIC, dtype=dtype)
    encoder = settled(encoding.encoder(5), batch)
    with torch.no_grad():
        assert encoder(batch).std(0).min() > 0.01
        for seed in range(3):
            close(encoder(another_basis(batch, "spe", seed)), encoder(batch), tolerance)


def test_a_cut_eigenspace_would_be_seen():
    """C6 with two vectors of three: the output depends on which they are; `first_whole` keeps one instead."""
    torch.manual_seed(0)
    encoding = small(k=3, phi="one")
    batch = encoded(encoding, nx.cycle_graph(6))
    turned = another_basis(batch, "spe")
    encoder = settled(encoding.encoder(5), batch)
    without = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    cut = [encoder(replaced(b, spe_vec=b.node["spe_vec"] * without)) for b in (batch, turned)]
    assert (cut[0] - cut[1]).abs().max() > 0.1
    assert (encoded(small(k=2), nx.cycle_graph(6)).node["spe_val"][0] >= 0).sum() == 1


def tensor(encoder: SPEEncoder, graph: nx.Graph, phi) -> torch.Tensor:
    """V diag(φ(λ)) Vᵀ on the full spectrum, [n, n, m]."""
    encoder.phi[0].forward = phi
    n = graph.number_of_nodes()
    encoding = SPE(k=n, channels=1)
    return encoder.filtered(orthonormal(encoded(encoding, graph), "spe"))[:, 0].view(n, n)


def test_phi_identity_gives_the_laplacian_and_one_the_identity():
    graph, encoder = nx.petersen_graph(), small(channels=1).encoder(4)
    laplacian = torch.from_numpy(nx.normalized_laplacian_matrix(graph).todense())
    assert_close(tensor(encoder, graph, lambda eigenvalues: eigenvalues.column), laplacian, atol=1e-6, rtol=0)
    ones = lambda eigenvalues: torch.ones_like(eigenvalues.column)  # noqa: E731
    assert_close(tensor(encoder, graph, ones), torch.eye(10, dtype=torch.float64), atol=1e-6, rtol=0)


def test_is_stable_where_eigenvalues_cross():
    """A C6 whose weight of one edge goes through 1: its double eigenvalues part, and come together again."""
    torch.manual_seed(0)
    encoding = small(k=6)
    batch = encoded(encoding, nx.cycle_graph(6), nx.path_graph(6))
    encoder, batch = settled(encoding.encoder(5), batch), encoded(encoding, nx.cycle_graph(6))

    def output(weight: float) -> torch.Tensor:
        adjacency = torch.from_numpy(nx.to_numpy_array(nx.cycle_graph(6)))
        adjacency[0, 1] = adjacency[1, 0] = weight
        root = adjacency.sum(1).rsqrt()
        values, vectors = torch.linalg.eigh(torch.eye(6, dtype=torch.float64) - root[:, None] * adjacency * root)
        with torch.no_grad():
            return encoder(replaced(batch, spe_vec=vectors, spe_val=values.clamp(min=0).expand(6, 6)))

    steps = [float((output(1 + eps) - output(1)).norm()) for eps in (1e-1, 1e-3, 1e-5, -1e-5, 1e-7)]
    assert steps[0] > 100 * steps[1] / 3 > 100 * steps[2] / 9
    assert steps[2] < 1e-3
    assert steps[3] < 1e-3
    assert steps[4] < 1e-5


@pytest.mark.parametrize("phi", PHIS)
def test_keeps_the_laws(phi):
    assert_encoding_lawful(small(phi=phi))


@pytest.mark.parametrize("phi", ["mlp", "deepsets"])
def test_padding_changes_nothing(phi):
    encoding = small(phi=phi)
    graphs = sample([encoding]).take(torch.tensor([0, 1, 2, 3, 5, 6]))
    assert_padding_changes_nothing(encoding.encoder(4), graphs)
    batch = graphs.batch()
    nodes, edges, count, longest = Size.of(batch)
    pairs = pad(batch, Size(nodes + 11, edges + 29, count + 3, longest))
    assert encoding.encoder(4)(pairs).isfinite().all()


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("options", "published"),
    [({"k": 37}, 651_495), ({"k": 8, "channels": 6, "phi": "deepsets"}, 635_971)],
    ids=["ZINC full", "ZINC 8"],
)
def test_published_parameter_counts(options, published):
    """Ours, the backbone, and a perceptron K → 128 → 128 → K that the release builds and never calls."""

    def perceptron(first: int, last: int) -> int:
        return 129 * 128 + 4 * 128 + (first + 1) * 128 + 129 * last

    k = options["k"]
    bonds, atoms = 4 * 128, 28 * 128
    backbone = atoms + 4 * (bonds + perceptron(128, 128) + 1) + perceptron(128, 1)
    ours = count(SPE(**options, layers=8, hidden=128).encoder(128))
    assert ours + backbone + perceptron(k, k) == published
    if k == 37:  # the released layers, not those of the published runs, have a perceptron of the encoding each
        assert published + 4 * perceptron(37, 128) == 805_095


def test_refuses_vectors_that_are_not_orthonormal():
    with pytest.raises(UsageError, match="orthonormal"):
        SPE(laplacian="rw")


def test_a_batch_without_nodes():
    batch = pack(nx.path_graph(2)).with_node(**small().precompute(pack(nx.path_graph(2)))).batch(0, 0)
    assert small().encoder(4)(batch).shape == (0, 4)
