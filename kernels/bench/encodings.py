"""The offline halves of the encodings beside PyG's transforms, on one thread each.

All of ZINC-12k (`GNNLAB_MIRROR`), else random graphs of its sizes; the two alternate, medians over the
repeats. PyG's `AddLaplacianEigenvectorPE` normalises the Laplacian and leaves out the first vector; so does ours here.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch_geometric.data import Data
from torch_geometric.datasets import FakeDataset
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from gnnlab.datasets.source import DataSource
from gnnlab.datasets.zinc import Zinc
from gnnlab.encodings.dense import one_thread
from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.rwse import RWSE
from gnnlab.packed import Packed

REPEATS = 3
PAIRS = {
    "RWSE, 20 steps": (RWSE(20), AddRandomWalkPE(20)),
    "LapPE, 8 vectors": (
        LapPE(8, laplacian="sym", skip_trivial=True),
        AddLaplacianEigenvectorPE(8, is_undirected=True),
    ),
    "LapPE, 8 vectors, PyG's default": (
        LapPE(8, laplacian="sym", skip_trivial=True),
        AddLaplacianEigenvectorPE(8),
    ),
}


def graphs(fraction: float) -> tuple[str, list[Packed], list[Data]]:
    """A name, the splits packed, and all their graphs as PyG's; of each split the first `fraction`."""
    if mirror := os.environ.get("GNNLAB_MIRROR"):
        with tempfile.TemporaryDirectory() as root:
            splits = list(Zinc(DataSource(root, mirror, download=False)).load()[0].values())
    else:
        fake = FakeDataset(12_000, avg_num_nodes=23, avg_degree=2, num_channels=1, is_undirected=True)
        splits = [Packed.from_graphs(list(fake))]
    splits = [split.take(torch.arange(round(split.num_graphs * fraction))) for split in splits]
    batches = [split.batch(i, i + 1) for split in splits for i in range(split.num_graphs)]
    name = f"{len(batches):,} {'ZINC' if mirror else 'random'} graphs"
    return name, splits, [Data(edge_index=batch.edge_index, num_nodes=batch.num_nodes) for batch in batches]


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rows(fraction: float = 1.0) -> list[dict[str, Any]]:
    """One row per encoding: median seconds, and how many times faster ours is."""
    logging.getLogger("gnnlab.encodings").setLevel(logging.ERROR)
    name, splits, data = graphs(fraction)
    ours: dict[str, list[float]] = {what: [] for what in PAIRS}
    theirs: dict[str, list[float]] = {what: [] for what in PAIRS}
    with one_thread(), threadpool_limits(1):
        for _ in range(REPEATS):
            for what, (encoding, transform) in PAIRS.items():
                ours[what].append(seconds(lambda e=encoding: [e.precompute(split) for split in splits]))
                theirs[what].append(seconds(lambda t=transform: [t(graph) for graph in data]))
    return [
        {
            "what": f"{what}, {name}",
            "ours": median(ours[what]),
            "peer": median(theirs[what]),
            "unit": "s",
            "ratio": median(theirs[what]) / median(ours[what]),
            "peer_name": f"PyG {type(transform).__name__}",
        }
        for what, (_, transform) in PAIRS.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the graphs, for a quick look")
    for row in rows(parser.parse_args().fraction):
        print("{what}: ours {ours:.2f} {unit}, {peer_name} {peer:.2f} {unit}, x{ratio:.1f}".format(**row))
