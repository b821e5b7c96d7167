"""A loader whose graphs follow from what is learnt, and splits that are parts of one graph."""

from dataclasses import replace

import pytest
import torch

from gnnlab.datasets.loader import Loader
from gnnlab.testing import sample
from gnnlab.trainer import distributed
from gnnlab.trainer.splits import Changing, storage


def test_graphs_are_those_of_the_time_and_over_others_too() -> None:
    graphs = sample()
    kept = torch.ones(graphs.num_edges, dtype=torch.bool)
    loader = Changing(Loader(graphs, None), lambda _: kept.clone(), lambda packed, kept: packed.keep_edges(kept))
    other = loader.over(graphs.with_node(number=torch.arange(graphs.num_nodes)))
    assert loader.packed is graphs
    kept[::2] = False
    for changed in (loader, other):
        (batch,) = changed.epoch(0)
        assert changed.packed.num_edges == batch.num_edges == int(kept.sum())
        assert changed.now is changed.now
    assert "number" in other.packed.node


def test_its_batches_are_cut_for_as_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    loader = Loader(sample(), rank=1, world=2)
    distributed.check_parts({"train": Changing(loader, lambda graphs: graphs.ptr, lambda graphs, _: graphs)})


def test_parts_of_one_graph_lie_in_the_same_place() -> None:
    graphs = sample()
    assert storage(graphs) == storage(graphs.with_node(mask=torch.zeros(graphs.num_nodes)))
    assert storage(graphs) != storage(replace(graphs, edge_index=graphs.edge_index.clone()))
