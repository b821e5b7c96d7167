"""attach: every split gets its attributes, computed once, kept, and never stale."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from gnnlab import cache
from gnnlab.cache import Cache
from gnnlab.encodings import Encoding, attach
from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.rwse import RWSE
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.testing import graphs_of_all_kinds


@dataclass(frozen=True)
class Degree(Encoding):
    """Out-degree times `factor`; remembers on how many graphs it ran."""

    runs: ClassVar[list[int]] = []
    gives: ClassVar[tuple[str, ...]] = ("degree",)
    factor: float = 1.0
    dim: int | None = None

    def precompute(self, graphs):
        assert not graphs.node
        assert not graphs.edge
        assert not graphs.graph
        self.runs.append(graphs.num_graphs)
        return {"degree": graphs.colptr.diff()[:, None] * self.factor}

    def encoder(self, dim):
        return nn.Identity()


@pytest.fixture
def runs():
    Degree.runs.clear()
    return Degree.runs


@pytest.fixture
def splits():
    graphs = Packed.from_graphs(graphs_of_all_kinds())
    return {"train": graphs.take(torch.tensor([6, 0, 5, 3])), "val": graphs.take(torch.tensor([1, 2]))}


def test_all_encodings_reach_all_splits(tmp_path, splits):
    attached = attach([RWSE(4), LapPE(3)], splits, Cache(tmp_path))
    for name, split in attached.items():
        assert set(split.node) == {"x", "rwse", "lappe_vec", "lappe_val"}
        assert torch.equal(split.node["rwse"], RWSE(4).precompute(splits[name])["rwse"])
        assert split.node["lappe_vec"].shape == (split.num_nodes, 3)
        assert set(splits[name].node) == {"x"}


def test_no_encodings_change_nothing(tmp_path, splits):
    assert attach([], splits, Cache(tmp_path)) == splits


def test_is_computed_once_and_read_ever_after(tmp_path, splits, runs):
    first = attach([Degree()], splits, Cache(tmp_path))
    again = attach([Degree()], splits, Cache(tmp_path))
    assert runs == [4, 2]
    assert torch.equal(first["train"].node["degree"], again["train"].node["degree"])


def test_parts_of_one_graph_share_one_result(tmp_path, splits, runs):
    graph = splits["train"]
    part = torch.arange(graph.num_nodes) % 2
    masks = {name: graph.with_node(mask=part == i) for i, name in enumerate(["train", "val"])}
    attached = attach([Degree()], masks, Cache(tmp_path))
    assert runs == [4]
    assert attached["train"].node["degree"] is attached["val"].node["degree"]
    assert torch.equal(attached["val"].node["mask"], part == 1)


def test_parameters_structure_and_code_each_make_a_new_entry(tmp_path, splits, runs, monkeypatch):
    train = {"train": splits["train"]}
    attach([Degree()], train, Cache(tmp_path))
    attach([replace(Degree(), factor=2.0)], train, Cache(tmp_path))
    assert len(runs) == 2
    attach([Degree()], {"train": splits["train"].take(torch.tensor([0, 1]))}, Cache(tmp_path))
    assert len(runs) == 3
    attach([replace(Degree(), dim=7)], train, Cache(tmp_path))
    assert len(runs) == 3, "the learnt half does not enter the key"
    monkeypatch.setattr(cache, "source_hash", lambda *parts: "changed")
    attach([Degree()], train, Cache(tmp_path))
    assert len(runs) == 4


def test_an_encoding_without_a_source_file_is_computed_anew(tmp_path, splits, runs, monkeypatch):
    monkeypatch.setattr(Degree, "__module__", "notebook")
    for _ in range(2):
        attach([Degree()], splits, Cache(tmp_path))
    assert runs == [4, 2, 4, 2]


def test_refuses_two_encodings_that_write_the_same_attribute(tmp_path, splits):
    with pytest.raises(UsageError, match="'rwse'"):
        attach([RWSE(4), RWSE(8)], splits, Cache(tmp_path))
