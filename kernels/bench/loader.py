"""Batches of 32 graphs: ours beside PyG's `DataLoader` over an `InMemoryDataset` and over a list of `Data`.

Whole shuffled epochs of the training split; the three alternate, medians over the repeats. One batch is
compared field by field first.
"""

import time
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

import torch
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader

from gnnlab.datasets.loader import Loader
from gnnlab.packed import Packed
from kernels.bench.graphs import as_pyg, zinc
from kernels.bench.measure import Row

BATCH, REPEATS = 32, 7


class Graphs(InMemoryDataset):
    """A list of graphs, collated as PyG's data sets are."""

    def __init__(self, graphs: list[Data]) -> None:
        super().__init__()
        self.data, self.slices = self.collate(graphs)


def check_equal(packed: Packed, graphs: list[Data]) -> None:
    """One batch of ours has the fields of PyG's."""
    theirs: Any = next(iter(DataLoader(graphs, BATCH)))
    ours = next(Loader(packed, BATCH).epoch(0))
    order = torch.argsort(theirs.edge_index[1] * theirs.num_nodes + theirs.edge_index[0], stable=True)
    pairs = {
        "x": (ours.x, theirs.x),
        "edge_index": (ours.edge_index, theirs.edge_index[:, order]),
        "edge_attr": (ours.edge_attr, theirs.edge_attr[order]),
        "y": (ours.y, theirs.y),
        "batch": (ours.batch, theirs.batch),
        "ptr": (ours.ptr, theirs.ptr),
    }
    for name, (mine, other) in pairs.items():
        assert mine is not None, f"our batch has no {name}"
        assert torch.equal(mine, other), f"{name} differs from PyG's"


def microseconds(batches: Iterable[Any]) -> float:
    """Per batch, over an epoch."""
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return (time.perf_counter() - start) / count * 1e6


def rows() -> Iterator[Row]:
    """One row: medians in microseconds a batch."""
    name, (packed, *_) = zinc()
    graphs = as_pyg(packed)
    check_equal(packed, graphs)
    loader = Loader(packed, BATCH, shuffle=True)
    peers = {
        "PyG DataLoader(InMemoryDataset)": DataLoader(Graphs(graphs), BATCH, shuffle=True),
        "PyG DataLoader(list)": DataLoader(graphs, BATCH, shuffle=True),
    }
    ours: list[float] = []
    theirs: dict[str, list[float]] = {peer: [] for peer in peers}
    for epoch in range(REPEATS):
        ours.append(microseconds(loader.epoch(epoch)))
        for peer, dataloader in peers.items():
            theirs[peer].append(microseconds(dataloader))
    medians = {peer: median(times) for peer, times in theirs.items()}
    yield Row("loader", f"batch of {BATCH}, {name}", "shuffled epoch", "µs", median(ours), medians)
