"""Batches of 32 graphs: ours beside PyG's `DataLoader` over an `InMemoryDataset` and over a list of `Data`.

Whole shuffled epochs of ZINC-12k's training split (`GNNLAB_MIRROR`), else of random graphs of its sizes;
the three alternate, medians over the repeats. One batch is compared field by field first.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from statistics import median
from typing import Any

import torch
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader

from gnnlab.datasets.loader import Loader
from gnnlab.datasets.source import DataSource
from gnnlab.datasets.zinc import Zinc
from gnnlab.packed import Packed
from gnnlab.testing import random_graph

BATCH, REPEATS = 32, 7


class Graphs(InMemoryDataset):
    """A list of graphs, collated as PyG's data sets are."""

    def __init__(self, graphs: list[Data]) -> None:
        super().__init__()
        self.data, self.slices = self.collate(graphs)


def zinc() -> tuple[Packed, list[Data]]:
    """The training split, packed and as PyG's graphs."""
    with tempfile.TemporaryDirectory() as root:
        packed = Zinc(DataSource(root, os.environ["GNNLAB_MIRROR"], download=False)).load()[0]["train"]
    batches = (packed.batch(i, i + 1) for i in range(packed.num_graphs))
    return packed, [Data(x=b.x, edge_index=b.edge_index, edge_attr=b.edge_attr, y=b.y) for b in batches]


def random_graphs() -> tuple[Packed, list[Data]]:
    """As many graphs of the same sizes."""
    generator = torch.Generator().manual_seed(0)
    graphs = [random_graph(23, 50, generator) for _ in range(10_000)]
    return Packed.from_graphs(graphs), graphs


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


def rows() -> list[dict[str, Any]]:
    """One row per peer: medians in microseconds a batch, and how many times faster ours is."""
    name, (packed, graphs) = (
        ("ZINC-12k", zinc()) if "GNNLAB_MIRROR" in os.environ else ("random graphs", random_graphs())
    )
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
    return [
        {
            "what": f"batch of {BATCH}, {name}",
            "ours": median(ours),
            "peer": median(times),
            "unit": "µs",
            "ratio": median(times) / median(ours),
            "peer_name": peer,
        }
        for peer, times in theirs.items()
    ]


if __name__ == "__main__":
    for row in rows():
        print("{what}: ours {ours:.0f} {unit}, {peer_name} {peer:.0f} {unit}, x{ratio:.1f}".format(**row))
