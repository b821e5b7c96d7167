"""The graphs that the benches share: ZINC-12k where `GNNLAB_MIRROR` is set, else random graphs of its sizes."""

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch_geometric.data import Data

from gnnlab.datasets.source import DataSource
from gnnlab.datasets.zinc import Zinc
from gnnlab.packed import Packed
from gnnlab.testing import random_graph


def zinc() -> tuple[str, list[Packed]]:
    """A name, and the splits: 10,000, 1,000 and 1,000 graphs."""
    if mirror := os.environ.get("GNNLAB_MIRROR"):
        with tempfile.TemporaryDirectory() as root:
            return "ZINC-12k", list(Zinc(DataSource(root, mirror, download=False)).load()[0].values())
    generator = torch.Generator().manual_seed(0)
    counts = (10_000, 1_000, 1_000)
    return "random", [Packed.from_graphs([random_graph(23, 50, generator) for _ in range(n)]) for n in counts]


def as_pyg(packed: Packed) -> list[Data]:
    """The same graphs one by one, as PyG's."""
    batches = (packed.batch(i, i + 1) for i in range(packed.num_graphs))
    return [Data(x=b.x, edge_index=b.edge_index, edge_attr=b.edge_attr, y=b.y) for b in batches]


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
