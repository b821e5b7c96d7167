"""The graphs that the benches share: real where `GNNLAB_MIRROR` has them, else random ones of the same sizes."""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.packed import Packed
from gnnlab.testing import random_graph
from kernels.bench.measure import SETTINGS


@cache
def zinc() -> tuple[str, list[Packed]]:
    """A name, and the splits: 10,000, 1,000 and 1,000 graphs."""
    if mirror := os.environ.get("GNNLAB_MIRROR"):
        from gnnlab.datasets.source import DataSource
        from gnnlab.datasets.zinc import Zinc

        with tempfile.TemporaryDirectory() as root:
            return "ZINC-12k", list(Zinc(DataSource(root, mirror, download=False)).load()[0].values())
    generator = torch.Generator().manual_seed(0)
    counts = (320, 32, 32) if SETTINGS.quick else (10_000, 1_000, 1_000)
    return "random", [Packed.from_graphs([random_graph(23, 50, generator) for _ in range(n)]) for n in counts]


def peptides(count: int) -> Packed:
    """Graphs of Peptides-func: 151 nodes and 307 directed edges on average, the largest of 444 nodes."""
    mirror = Path(os.environ.get("GNNLAB_MIRROR", ""), "LRGB/peptides-func/raw/train.pt")
    if os.environ.get("GNNLAB_MIRROR") and mirror.exists():
        pairs = [graph[2] for graph in torch.load(mirror, weights_only=True)[:count]]
        return Packed.from_graphs([like_zinc(edges, int(edges.max()) + 1) for edges in pairs])
    generator = torch.Generator().manual_seed(0)
    sizes = (150 + 80 * torch.randn(count, generator=generator)).clamp(10, 444).long().tolist()
    return Packed.from_graphs([like_zinc(chain(n, 1.018, generator), n) for n in sizes])


def chain(nodes: int, edges_per_node: float, generator: torch.Generator) -> Tensor:
    """[2, E]: each node joined to one of the three before it, and further pairs nearby, both ways."""
    later = torch.arange(1, nodes)
    earlier = (later - torch.randint(1, 4, later.shape, generator=generator)).clamp(min=0)
    more = torch.randint(nodes, (max(0, round(nodes * edges_per_node) - nodes + 1),), generator=generator)
    further = torch.stack([more, (more + 5 + torch.randint(8, more.shape, generator=generator)) % nodes])
    pairs = torch.cat([torch.stack([earlier, later]), further], dim=1)
    return torch.cat([pairs, pairs.flip(0)], dim=1)


def skewed(nodes: int, pairs: int, generator: torch.Generator) -> Tensor:
    """[2, 2 pairs]: ends drawn so that degrees fall like a power, the largest some hundred times the mean."""
    popularity = torch.arange(1, nodes + 1, dtype=torch.float64) ** -0.7
    cited = torch.searchsorted(popularity.cumsum(0) / popularity.sum(), torch.rand(pairs, generator=generator).double())
    names = torch.randperm(nodes, generator=generator)
    ends = torch.stack([torch.randint(nodes, (pairs,), generator=generator), names[cited.clamp(max=nodes - 1)]])
    return torch.cat([ends, ends.flip(0)], dim=1)


def like_zinc(edges: Tensor, nodes: int) -> Data:
    """A graph with features of ZINC's kinds."""
    x, bonds = torch.arange(nodes)[:, None] % 28, torch.arange(edges.shape[1])[:, None] % 4
    return Data(x=x, edge_index=edges, edge_attr=bonds, y=torch.zeros(1, 1), num_nodes=nodes)


@dataclass(frozen=True)
class Shape:
    """A batch to run an op on, and the widths it is run with."""

    name: str
    batch: Batch
    widths: tuple[int, ...]

    @property
    def small(self) -> bool:
        """Whether peers that compile, or that take seconds for each call, are worth waiting for."""
        return self.batch.num_nodes < 50_000


def shapes(*names: str) -> Iterator[Shape]:
    """The named shapes, or all, on the device of the benches."""
    generator = torch.Generator().manual_seed(0)
    nodes, pairs = (3_000, 20_000) if SETTINGS.quick else (169_343, 1_157_799)
    made: dict[str, tuple[Callable[[], Packed], tuple[int, ...]]] = {
        "zinc": (lambda: zinc()[1][0].take(torch.arange(32)), (64,)),
        "peptides": (lambda: peptides(8 if SETTINGS.quick else 128), (96,)),
        "roman": (lambda: Packed.from_graphs([like_zinc(chain(22_662, 1.453, generator), 22_662)]), (64, 256)),
        "arxiv": (lambda: Packed.from_graphs([like_zinc(skewed(nodes, pairs, generator), nodes)]), (64, 256)),
    }
    for name in names or made:
        build, widths = made[name]
        yield Shape(name, build().batch().to(SETTINGS.device), widths[:1] if SETTINGS.quick else widths)


def as_pyg(packed: Packed) -> list[Data]:
    """The same graphs one by one, as PyG's."""
    batches = (packed.batch(i, i + 1) for i in range(packed.num_graphs))
    return [Data(x=b.x, edge_index=b.edge_index, edge_attr=b.edge_attr, y=b.y) for b in batches]
