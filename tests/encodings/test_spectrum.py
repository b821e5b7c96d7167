"""The spectrum: one decomposition for all encodings of a Laplacian, and where an eigenspace ends."""

import networkx as nx
import pytest
import torch

from gnnlab.cache import Cache
from gnnlab.encodings import attach, dense, offline, spectrum
from gnnlab.encodings.elstatic import Elstatic
from gnnlab.encodings.hkdiag import HKdiag
from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.spe import SPE
from gnnlab.encodings.spectrum import decompose
from gnnlab.errors import UsageError
from gnnlab.ops import backend, eigenpairs
from tests.encodings.spectral import SYMMETRIC
from tests.graphs import pack


@pytest.fixture(autouse=True, params=["auto", "reference"])
def _served_by(request: pytest.FixtureRequest):
    """The kernel, where there is a compiler, and LAPACK."""
    with backend.using(request.param):
        yield


@pytest.fixture
def runs(monkeypatch):
    """(Laplacian, pairs) of every decomposition."""
    found = []

    def counted(graphs, *args):
        found.append(args)
        return decompose(graphs, *args)

    monkeypatch.setattr(offline, "decompose", counted)
    return found


def test_encodings_of_one_laplacian_share_one_decomposition(tmp_path, runs):
    splits = {"train": pack(*SYMMETRIC), "val": pack(nx.path_graph(5))}
    together = attach([LapPE(4, laplacian="sym"), SPE(21)], splits, Cache(tmp_path))
    assert runs == [("sym", 32)] * 2, "one for each split"
    assert torch.equal(together["train"].node["spe_vec"], SPE(21).precompute(splits["train"])["spe_vec"])
    attach([SPE(17), LapPE(12, laplacian="sym")], splits, Cache(tmp_path))
    assert len(runs) == 2, "another K finds it on disk"
    attach([LapPE(3)], splits, Cache(tmp_path))
    assert runs[2:] == [("none", 16)] * 2, "another Laplacian does not"


def test_one_that_needs_all_pairs_serves_the_others(tmp_path, runs):
    splits = {"train": pack(*SYMMETRIC)}
    attached = attach([LapPE(4), HKdiag(3), Elstatic()], splits, Cache(tmp_path))
    assert runs == [("none", None)]
    with backend.using("reference"):  # all of the pairs are LAPACK's
        for encoding in (LapPE(4), HKdiag(3), Elstatic()):
            for name, value in encoding.precompute(splits["train"]).items():
                assert torch.equal(attached["train"].node[name], value)


def test_is_decomposed_once_where_nothing_can_be_stored(tmp_path, runs, monkeypatch):
    monkeypatch.setattr("gnnlab.cache._write", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    attach([LapPE(4, laplacian="sym"), SPE(9)], {"train": pack(*SYMMETRIC)}, Cache(tmp_path))
    assert len(runs) == 1


@pytest.mark.parametrize("encoding", [LapPE(4), SPE(21), HKdiag(3), Elstatic()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("largest_dense", [512, 0])
def test_directions_do_not_count(monkeypatch, encoding, largest_dense):
    monkeypatch.setattr(dense, "LARGEST_DENSE", largest_dense)
    directed = [nx.gnp_random_graph(n, 3 / n, seed=n, directed=True) for n in (7, 12, 30)]
    both_ways = [graph.to_undirected() for graph in directed]
    found, expected = (encoding.precompute(pack(*graphs)) for graphs in (directed, both_ways))
    for name, value in expected.items():
        assert torch.equal(found[name], value)


@pytest.mark.parametrize("laplacian", ["none", "sym"])
def test_all_pairs_give_the_laplacian_back(laplacian):
    graph = nx.petersen_graph()
    found = decompose(pack(graph, nx.path_graph(2)), laplacian, None)
    matrix = nx.laplacian_matrix(graph) if laplacian == "none" else nx.normalized_laplacian_matrix(graph)
    vectors, values = found.vectors[:10], found.values[0]
    torch.testing.assert_close(vectors * values @ vectors.T, torch.tensor(matrix.todense()).float(), atol=1e-5, rtol=0)
    assert found.values[1].isfinite().sum() == 2


def test_no_eigenspace_is_cut():
    """C6: 0, ½, ½, …"""
    graphs = pack(nx.cycle_graph(6), nx.path_graph(2))
    found = decompose(graphs, "sym", 4)
    torch.testing.assert_close(found.values[0], torch.tensor([0.0, 0.5, 0.5, 1.5]))
    assert found.gaps(3).tolist() == [[True, False, True], [True, True, False]]
    for k, kept in ((1, 1), (2, 1), (3, 3)):
        vectors, values = found.first_whole(k, graphs)
        assert values.isfinite().sum(1).tolist() == [kept, min(k, 2)]
        assert vectors[:6].any(0).sum() == kept


def test_small_gaps_of_long_paths_are_gaps():
    """λ_2 = 2 − 2 cos(π/n) is 2·10⁻⁵ for n = 700, which is solved by Lanczos."""
    assert decompose(pack(nx.path_graph(700)), "none", 5).gaps(4).all()


def test_zero_repeats_with_the_components_of_a_large_graph():
    """From one vector, Lanczos finds a repeated eigenvalue by rounding alone, and gave up on 438 parts of CiteSeer."""
    parts = [nx.path_graph(500), *[nx.cycle_graph(3)] * 20, *[nx.empty_graph(1)] * 20]
    found = decompose(pack(nx.disjoint_union_all(parts)), "none", 44)
    expected = torch.cat([torch.zeros(41), 2 - 2 * (torch.arange(1, 4) * torch.pi / 500).cos()])
    torch.testing.assert_close(found.values[0], expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(found.vectors.T @ found.vectors, torch.eye(44), atol=1e-5, rtol=0)


def test_what_the_kernel_does_not_find_is_lapacks(monkeypatch):
    graphs = pack(nx.path_graph(9), *SYMMETRIC, nx.path_graph(20))
    found = torch.arange(graphs.num_graphs) % 2 == 0

    def half(graphs, laplacian, count):
        vectors = torch.full((graphs.num_nodes, count), torch.nan)
        return vectors, torch.full((graphs.num_graphs, count), torch.nan, dtype=torch.float64), found

    with backend.using("reference"):
        expected = decompose(graphs, "sym", 6)
    monkeypatch.setattr(eigenpairs, "is_fused", lambda: True)
    monkeypatch.setattr(eigenpairs, "smallest_eigenpairs", half)
    spectrum, lapacks = decompose(graphs, "sym", 6), ~found.repeat_interleave(graphs.ptr.diff())
    torch.testing.assert_close(spectrum.values[~found], expected.values[~found])
    torch.testing.assert_close(spectrum.vectors[lapacks], expected.vectors[lapacks])
    assert spectrum.vectors[~lapacks].isnan().all()


def test_refuses_what_does_not_fit_in_memory(monkeypatch):
    monkeypatch.setattr(spectrum, "MOST_ELEMENTS", 100)
    with pytest.raises(UsageError, match=r"at most 8: .*hkdiag"):
        decompose(pack(nx.path_graph(11)), "none", None)
