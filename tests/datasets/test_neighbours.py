"""Sampled neighbourhoods: edges of the graph, as many as asked for; where all are taken, the whole graph's logits."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from gnnlab import compose
from gnnlab.datasets.base import node_splits
from gnnlab.datasets.neighbours import NeighbourLoader, draw
from gnnlab.errors import UsageError
from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gatv2 import GATv2
from gnnlab.nn.conv.gin import GIN
from gnnlab.nn.conv.monet import MoNet
from gnnlab.nn.conv.sage import SAGE
from gnnlab.nn.head import Flat
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

NODES = 300


def splits() -> dict[str, Packed]:
    """A directed graph with a hub that has an edge from every fourth node, and nodes without edges."""
    random = torch.Generator().manual_seed(0)
    edges = torch.randint(NODES - 5, (2, 1200), generator=random)
    hub = torch.stack([torch.arange(0, NODES, 4), torch.full((NODES // 4,), 7)])
    edges = torch.cat([edges, hub], dim=1).unique(dim=1)
    x, y = torch.randn(NODES, 6, generator=random), torch.randint(3, (NODES,), generator=random)
    part = torch.rand(NODES, generator=random)
    masks = {"train": part < 0.5, "val": part >= 0.5, "test": part >= 0.8}
    return node_splits(edges, x, y, masks)


SPLITS = splits()
TRAIN = SPLITS["train"]
LARGEST = int(TRAIN.rowptr.diff().max())
NUMBER = TRAIN.node["x"][:, 0]
"""Tells the nodes apart."""


def numbers(batch: Any) -> torch.Tensor:
    """The nodes of a batch, by their numbers in the whole graph."""
    return (batch.x[:, :1] == NUMBER).nonzero()[:, 1]


def marked(batch: Any) -> torch.Tensor:
    """Those asked for."""
    return numbers(batch)[batch.mask]


@pytest.mark.parametrize(("conv", "further"), [(SAGE, 0), (GIN, 0), (GATv2, 0), (GatedGCN, 0), (MoNet, 1)])
def test_with_every_neighbour_the_logits_are_those_of_the_whole_graph(conv, further: int) -> None:
    spec = GraphSpec("toy", "node", "multiclass", 3, "accuracy", Feature.continuous(6))
    torch.manual_seed(0)
    model = MPNN(spec, [], conv, Flat, hidden_dim=8, num_layers=3).eval()
    with torch.no_grad():
        whole, asked = model(TRAIN.batch()), []
        for batch in NeighbourLoader(TRAIN, [LARGEST] * (3 + further), batch_size=20, shuffle=True).epoch(0):
            assert_close(model(batch)[batch.mask], whole[marked(batch)], rtol=1e-4, atol=1e-5)
            asked.append(marked(batch))
    assert torch.equal(torch.cat(asked).sort().values, TRAIN.node["mask"].nonzero()[:, 0]), "each node once an epoch"


def test_every_edge_is_one_of_the_graph_and_none_is_drawn_twice() -> None:
    there = set(zip(*TRAIN.edge_index.tolist(), strict=True))
    for batch in NeighbourLoader(TRAIN, [3, 2], batch_size=16, shuffle=True).epoch(1):
        drawn = list(zip(*numbers(batch)[batch.edge_index].tolist(), strict=True))
        assert len(set(drawn)) == len(drawn)
        assert set(drawn) <= there
        degree, whole = batch.rowptr.diff(), TRAIN.rowptr.diff()[numbers(batch)]
        assert batch.mask is not None
        assert torch.equal(degree[batch.mask], whole[batch.mask].clamp(max=3)), "the first hop"
        assert degree[batch.mask.logical_not()].max() <= 2, "the second"
        assert (batch.num_graphs, len(batch.y)) == (1, batch.num_nodes)


def test_batches_depend_on_seed_and_epoch_alone_and_can_be_resumed() -> None:
    loader = NeighbourLoader(TRAIN, [3, 2], batch_size=16, shuffle=True, seed=1)
    batches = list(loader.epoch(4))
    assert len(batches) == loader.num_batches(4) == -(-int(TRAIN.node["mask"].sum()) // 16)
    again = NeighbourLoader(TRAIN, [3, 2], batch_size=16, shuffle=True, seed=1)
    for first, second in zip(batches[5:], again.epoch(4, start=5), strict=True):
        assert torch.equal(first.edge_index, second.edge_index)
        assert torch.equal(numbers(first), numbers(second))
        assert torch.equal(marked(first), marked(second))
    for other in (loader.epoch(5), NeighbourLoader(TRAIN, [3, 2], batch_size=16, shuffle=True, seed=2).epoch(4)):
        assert not torch.equal(numbers(next(other)), numbers(batches[0]))


def test_evaluation_is_on_the_whole_graph() -> None:
    loader = NeighbourLoader(SPLITS["val"], [3, 2], batch_size=16)
    (batch,) = loader.epoch(0)
    assert (loader.num_batches(), batch.num_edges) == (1, TRAIN.num_edges)
    assert torch.equal(marked(batch), SPLITS["val"].node["mask"].nonzero()[:, 0])


def test_evaluation_in_batches_asks_for_each_node_once() -> None:
    loader = NeighbourLoader(SPLITS["val"], [3, 2], eval_fanouts=[-1, 4], batch_size=16)
    batches = list(loader.epoch(0))
    assert len(batches) == loader.num_batches() > 1
    asked = torch.cat([marked(batch) for batch in batches])
    assert torch.equal(asked, SPLITS["val"].node["mask"].nonzero()[:, 0]), "in their order"
    whole = TRAIN.rowptr.diff()
    assert all(torch.equal(batch.rowptr.diff()[batch.mask], whole[marked(batch)]) for batch in batches), "-1 is all"
    assert torch.equal(loader.sample()[0].edge_index, batches[0].edge_index), "the same every time"


def test_only_rows_that_are_drawn_are_read(tmp_path: Path) -> None:
    rows, pages = 100_000, os.sysconf("SC_PAGE_SIZE")
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (rows, pages // 4)).flush()
    x = torch.from_numpy(np.load(tmp_path / "x.npy", mmap_mode="c"))
    ring = torch.stack([torch.arange(rows), torch.arange(rows).roll(1)])
    graph = node_splits(ring, x, torch.zeros(rows).long(), {"train": torch.arange(rows) % 100 == 0})["train"]
    (batch,) = NeighbourLoader(graph, [2, 2], batch_size=1000, shuffle=True).epoch(0)
    resident = next(
        int(re.findall(r"Rss: +(\d+) kB", part)[0]) * 1024
        for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
        if "x.npy" in part
    )
    assert batch.num_nodes == 3000
    assert resident < 1.1 * batch.num_nodes * pages


def test_processes_share_a_batch() -> None:
    shares = [NeighbourLoader(TRAIN, [3], batch_size=9, shuffle=True, rank=rank, world=4) for rank in range(4)]
    single = NeighbourLoader(TRAIN, [3], batch_size=9, shuffle=True)
    for whole, *parts in zip(single.epoch(0), *(share.epoch(0) for share in shares), strict=True):
        asked = torch.cat([marked(part) for part in parts])
        assert torch.equal(asked.sort().values, marked(whole))
    (last,) = NeighbourLoader(TRAIN, [3], limit=1, shuffle=True, rank=3, world=4).epoch(0)
    assert (last.num_graphs, last.num_nodes) == (0, 0), "a part that is empty"


def test_every_set_of_edges_is_as_likely() -> None:
    rowptr, random = np.array([0, 5, 7]), np.random.default_rng(0)
    drawn = draw(rowptr, np.zeros(20_000, np.int64), 2, random).reshape(-1, 2)
    assert (drawn[:, 0] != drawn[:, 1]).all()
    _, counts = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    assert len(counts) == 10
    assert np.abs(counts / 20_000 - 0.1).max() < 0.01
    assert sorted(draw(rowptr, np.array([1, 0]), 6, random)) == list(range(7)), "all, where there are no more"


def test_over_another_graph_and_fewer_nodes() -> None:
    loader = NeighbourLoader(SPLITS["val"], [4], batch_size=10, shuffle=True, limit=25).over(TRAIN)
    asked = torch.cat([marked(batch) for batch in loader.epoch(0)])
    assert len(asked) == 25
    assert TRAIN.node["mask"][asked].all()


def test_a_limit_holds_in_evaluation_on_the_whole_graph_too() -> None:
    whole = NeighbourLoader(SPLITS["val"], [4], limit=25)
    sampled = NeighbourLoader(SPLITS["val"], [4], limit=25, eval_fanouts=[4])
    (batch,), (some,) = whole.epoch(0), sampled.epoch(0)
    assert (len(marked(batch)), batch.num_edges) == (25, TRAIN.num_edges)
    assert torch.equal(marked(batch), marked(some)), "the same nodes"


def test_what_does_not_fit_is_refused() -> None:
    for wrong in ([], [0], [5, -2]):
        with pytest.raises(UsageError, match=r"loader\.eval_fanouts=.*: a number of edges for each hop"):
            NeighbourLoader(TRAIN, [5], eval_fanouts=wrong)
    with pytest.raises(UsageError, match="loader=neighbours samples in one graph, and this split has 2"):
        NeighbourLoader(TRAIN.take(torch.tensor([0, 0])))
    with pytest.raises(UsageError, match=r"loader=neighbours needs targets per node, which dataset=zinc does not give"):
        compose("dataset=zinc", "loader=neighbours")
    assert compose("dataset=arxiv", "loader=neighbours", "loader.fanouts=[5,5,5]").loader.fanouts == [5, 5, 5]
