"""LapPE: eigenpairs of the Laplacian, its conventions, and its learnt halves."""

import math

import networkx as nx
import pytest
import torch

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.encodings import dense
from gnnlab.encodings.lappe import LapPE
from gnnlab.ops import backend
from gnnlab.testing import assert_encoding_lawful
from tests.graphs import pack

LAPLACIANS = ["none", "sym", "rw"]
NETS = ["deepset", "transformer", "linear"]
RANDOM = nx.gnp_random_graph(34, 0.2, seed=1)
GRAPHS = {
    "random": RANDOM,
    "C8": nx.cycle_graph(8),
    "P5": nx.path_graph(5),
    "star": nx.star_graph(6),
    "two components": nx.disjoint_union(nx.cycle_graph(4), nx.path_graph(3)),
    "isolated node": nx.disjoint_union(nx.path_graph(6), nx.empty_graph(1)),
    "edgeless": nx.empty_graph(5),
    "two nodes": nx.path_graph(2),
}


@pytest.fixture(autouse=True, params=["auto", "reference"])
def _served_by(request: pytest.FixtureRequest):
    """The kernel, where there is a compiler, and LAPACK."""
    with backend.using(request.param):
        yield


def lappe(*graphs: nx.Graph, **options) -> tuple[torch.Tensor, torch.Tensor]:
    columns = LapPE(**options).precompute(pack(*graphs))
    return columns["lappe_vec"], columns["lappe_val"]


def encoded(*graphs: nx.Graph, **options) -> tuple[LapPE, Batch]:
    encoding, graphs = LapPE(**options), pack(*graphs)
    return encoding, graphs.with_node(**encoding.precompute(graphs)).batch()


def laplacian(graph: nx.Graph, kind: str) -> torch.Tensor:
    (source, target), n = pack(graph).edge_index, graph.number_of_nodes()
    adjacency = torch.zeros(n, n).index_put_((source, target), torch.tensor(1.0)).fill_diagonal_(0)
    degree = adjacency.sum(1)
    root = degree.clamp(min=1).rsqrt()
    left, right = {"none": (root**0, root**0), "sym": (root, root), "rw": (root**2, root**0)}[kind]
    return left[:, None] * (degree.diag() - adjacency) * right


@pytest.mark.parametrize("kind", LAPLACIANS)
@pytest.mark.parametrize("name", GRAPHS)
def test_columns_are_unit_eigenvectors(kind, name):
    graph = GRAPHS[name]
    n = graph.number_of_nodes()
    vectors, values = lappe(graph, k=n, laplacian=kind)
    torch.testing.assert_close(laplacian(graph, kind) @ vectors, vectors * values[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(vectors.norm(dim=0), torch.ones(n))
    assert (values[0] >= 0).all()
    assert (values[0].diff() >= -1e-6).all()
    if kind != "rw":
        torch.testing.assert_close(vectors.T @ vectors, torch.eye(n), atol=1e-5, rtol=0)


def test_closed_forms():
    _, values = lappe(nx.complete_graph(3), nx.path_graph(3), k=3)
    torch.testing.assert_close(values[[0, 3]], torch.tensor([[0.0, 3.0, 3.0], [0.0, 1.0, 3.0]]))
    vectors, _ = lappe(nx.path_graph(3), k=2)
    torch.testing.assert_close(vectors.T[0], torch.full((3,), 1 / math.sqrt(3)))
    torch.testing.assert_close(vectors.T[1], torch.tensor([1.0, 0.0, -1.0]) / math.sqrt(2))


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_zero_is_an_eigenvalue_once_for_each_component(kind):
    graph = nx.disjoint_union_all([nx.cycle_graph(5), nx.empty_graph(1), nx.path_graph(4)])
    _, values = lappe(graph, k=6, laplacian=kind)
    assert int((values[0] < 1e-6).sum()) == 3


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_self_loops_do_not_count(kind):
    looped = nx.cycle_graph(6)
    looped.add_edge(2, 2)
    assert torch.equal(lappe(looped, k=6, laplacian=kind)[1], lappe(nx.cycle_graph(6), k=6, laplacian=kind)[1])


def test_skip_trivial_leaves_out_the_first_column():
    vectors, values = lappe(RANDOM, k=6)
    torch.testing.assert_close((vectors[:, 1:], values[:, 1:]), lappe(RANDOM, k=5, skip_trivial=True))


def test_the_largest_entry_is_positive_the_first_among_ties():
    vectors, _ = lappe(nx.path_graph(6), k=6)
    size = vectors.abs()
    first = (size > 0.999 * size.amax(0)).int().argmax(0)
    assert (vectors.gather(0, first[None]) > 0).all()


@pytest.mark.parametrize(("laplacian", "net"), [("none", "linear"), ("sym", "deepset"), ("rw", "transformer")])
def test_keeps_the_laws(laplacian, net):
    assert_encoding_lawful(LapPE(laplacian=laplacian, skip_trivial=True, net=net))


def test_does_not_depend_on_the_rest_of_the_split():
    graphs = [nx.path_graph(1), nx.path_graph(2), RANDOM, RANDOM, nx.path_graph(90)]
    expected = torch.cat([lappe(graph)[0] for graph in graphs])
    torch.testing.assert_close(lappe(*graphs)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_large_graphs_agree_with_small_ones(monkeypatch, kind):
    components = nx.disjoint_union_all([RANDOM, nx.path_graph(40), nx.empty_graph(1)])
    vectors, values = lappe(RANDOM, components, laplacian=kind)
    monkeypatch.setattr(dense, "LARGEST_DENSE", 0)
    again, same = lappe(RANDOM, components, laplacian=kind)
    torch.testing.assert_close(values, same, atol=1e-5, rtol=0)
    torch.testing.assert_close(vectors[:34], again[:34], atol=1e-4, rtol=0)
    assert torch.equal(again, lappe(RANDOM, components, laplacian=kind)[0])


@pytest.mark.parametrize("skip_trivial", [False, True])
@pytest.mark.parametrize("k", [31, 32, 33, 34, 50])
def test_all_eigenvectors_of_a_large_graph(monkeypatch, k, skip_trivial):
    expected = lappe(RANDOM, k=k, skip_trivial=skip_trivial)
    monkeypatch.setattr(dense, "LARGEST_DENSE", 0)
    torch.testing.assert_close(lappe(RANDOM, k=k, skip_trivial=skip_trivial), expected, atol=1e-4, rtol=0)


def test_tells_how_many_graphs_lose_a_part_of_an_eigenspace(caplog):
    LapPE(k=2).precompute(pack(nx.cycle_graph(8), nx.path_graph(8), nx.cycle_graph(5)))
    assert "in 2 of 3 graphs" in caplog.text
    caplog.clear()
    LapPE(k=3).precompute(pack(nx.cycle_graph(8), nx.path_graph(2), nx.cycle_graph(3)))
    assert not caplog.text


def test_tells_that_the_constant_vector_alone_says_little(caplog):
    LapPE(k=1)
    assert "number of nodes" in caplog.text


def test_superpixels_may_have_it():
    compose("model=gps", "dataset=mnist", "encoding=[lappe]")


@pytest.mark.parametrize(
    ("net", "parameters"),
    [
        ("deepset", 6 * 16 + 2 * 16**2 + 16),
        ("linear", 10 * 16 + 16),
        ("transformer", 48 + 2 * (4 * 272 + 33 * 16 + 34 * 16 + 64)),
    ],
)
def test_parameter_counts(net, parameters):
    encoder = LapPE(k=10, net=net).encoder(16)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == parameters


@pytest.mark.parametrize("net", NETS)
def test_each_graph_draws_its_own_signs_in_training_alone(net):
    torch.manual_seed(0)
    encoding, batch = encoded(*[nx.path_graph(4)] * 128, k=3, net=net)
    encoder = encoding.encoder(5)
    copies = encoder.train()(batch).detach().view(128, 20)
    assert len(copies.round(decimals=4).unique(dim=0)) == 2**3
    same = encoder.eval()(batch).detach().view(128, 20)
    torch.testing.assert_close(same, same[:1].expand_as(same))


@pytest.mark.parametrize("skip_trivial", [False, True])
@pytest.mark.parametrize("net", NETS)
def test_columns_a_graph_lacks_contribute_nothing(net, skip_trivial):
    k = 6 - skip_trivial
    exact, batch = encoded(nx.path_graph(6), k=k, net=net, skip_trivial=skip_trivial)
    wider, padded = encoded(nx.path_graph(6), nx.cycle_graph(20), k=9, net=net, skip_trivial=skip_trivial)
    narrow, wide = exact.encoder(4).eval(), wider.encoder(4).eval()
    narrow.load_state_dict({name: w[:, :k] if w.shape == (4, 9) else w for name, w in wide.state_dict().items()})
    torch.testing.assert_close(narrow(batch), wide(padded)[:6])


@pytest.mark.parametrize("skip_trivial", [False, True])
@pytest.mark.parametrize("net", NETS)
def test_degenerate_graphs_are_finite(net, skip_trivial):
    graphs = [nx.empty_graph(1), nx.empty_graph(5), nx.empty_graph(0), GRAPHS["isolated node"]]
    encoding, batch = encoded(*graphs, net=net, skip_trivial=skip_trivial)
    encoder = encoding.encoder(3)
    out = encoder(batch)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in encoder.parameters())
