"""The spectrum: one decomposition for all encodings of a Laplacian, and where an eigenspace ends."""

import networkx as nx
import pytest
import torch

from gnnlab.cache import Cache
from gnnlab.encodings import attach, offline, spectrum
from gnnlab.encodings.elstatic import Elstatic
from gnnlab.encodings.hkdiag import HKdiag
from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.spe import SPE
from gnnlab.encodings.spectrum import decompose
from gnnlab.errors import UsageError
from tests.encodings.spectral import SYMMETRIC, pack


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
    for encoding in (LapPE(4), HKdiag(3), Elstatic()):
        for name, value in encoding.precompute(splits["train"]).items():
            assert torch.equal(attached["train"].node[name], value)


def test_is_decomposed_once_where_nothing_can_be_stored(tmp_path, runs, monkeypatch):
    monkeypatch.setattr("gnnlab.cache._write", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    attach([LapPE(4, laplacian="sym"), SPE(9)], {"train": pack(*SYMMETRIC)}, Cache(tmp_path))
    assert len(runs) == 1


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
    found = decompose(pack(nx.cycle_graph(6), nx.path_graph(2)), "sym", 4)
    torch.testing.assert_close(found.values[0], torch.tensor([0.0, 0.5, 0.5, 1.5]))
    assert found.gaps(3).tolist() == [[True, False, True], [True, True, False]]
    for k, kept in ((1, 1), (2, 1), (3, 3)):
        assert found.first_whole(k)[1].isfinite().sum(1).tolist() == [kept, min(k, 2)]


def test_small_gaps_of_long_paths_are_gaps():
    """λ_2 = 2 − 2 cos(π/n) is 2·10⁻⁵ for n = 700, which is solved by Lanczos."""
    assert decompose(pack(nx.path_graph(700)), "none", 5).gaps(4).all()


def test_refuses_what_does_not_fit_in_memory(monkeypatch):
    monkeypatch.setattr(spectrum, "MOST_ELEMENTS", 100)
    with pytest.raises(UsageError, match="hkdiag"):
        decompose(pack(nx.path_graph(11)), "none", None)
