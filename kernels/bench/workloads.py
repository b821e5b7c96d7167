"""The settings that whole models are measured in: ours as typed, PyG's twin, and the graphs of both."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from kernels.bench import twins
from kernels.bench.graphs import peptides, shapes, zinc
from kernels.bench.measure import SETTINGS

MOLECULES = GraphSpec("zinc", "graph", "regression", 1, "mae", Feature.categorical(28), Feature.categorical(4))
PAPERS = GraphSpec("arxiv", "node", "multiclass", 40, "accuracy", Feature.continuous(128))
PLAIN = ("preset=none", "encoding=[]", "optimizer=adamw")


@dataclass(frozen=True)
class Workload:
    """A setting of ours, as typed, its twin, and the batches of both."""

    name: str
    settings: tuple[str, ...]
    twin: Callable[[], nn.Module]
    graphs: Callable[[], Packed]
    spec: GraphSpec = MOLECULES
    batch_size: int = 32
    clip: float | None = None


def sized(dim: int, layers: int) -> tuple[str, str]:
    return f"model.hidden_dim={dim}", f"model.num_layers={layers}"


def gps(dim: int, layers: int) -> nn.Module:
    return twins.load_twin().PyGGPS(dim=dim, layers=layers)


def papers() -> Packed:
    (shape,) = shapes("arxiv")
    batch, nodes = shape.batch.to("cpu"), shape.batch.num_nodes
    features = {"x": torch.randn(nodes, 128), "y": torch.randint(40, (nodes,))}
    return Packed.from_tensors(torch.tensor([nodes]), batch.rowptr[-1:], batch.edge_index, features)


def few() -> Packed:
    return zinc()[1][0].take(torch.arange(10 * 32))


WORKLOADS = {
    "gps-zinc": Workload(
        "GPS 10×64, attention dropout 0.5, ZINC 32", ("model=gps", "dataset=zinc"), lambda: gps(64, 10), few, clip=1.0
    ),
    "gatedgcn-zinc": Workload(
        "GatedGCN 16×70, ZINC 32",
        ("model=gatedgcn", "dataset=zinc", *PLAIN, *sized(70, 16)),
        lambda: twins.Stack(twins.GatedGCNConv, 70, 16, bonds=True),
        few,
    ),
    "gine-zinc": Workload(
        "GINE 10×64, ZINC 32",
        ("model=gine", "dataset=zinc", *PLAIN, *sized(64, 10)),
        lambda: twins.Stack(twins.gine, 64, 10, bonds=True),
        few,
    ),
    "gcn-zinc": Workload(
        "GCN 10×64, ZINC 32",
        ("model=gcn", "dataset=zinc", *PLAIN, *sized(64, 10)),
        lambda: twins.Stack(twins.gcn, 64, 10, bonds=False),
        few,
    ),
    "gps-peptides": Workload(
        "GPS 4×96, attention dropout 0.5, peptides 128",
        ("model=gps", "dataset=zinc", *sized(96, 4)),
        lambda: gps(96, 4),
        lambda: peptides(8 if SETTINGS.quick else 128),
        batch_size=128,
        clip=1.0,
    ),
    "gcn-arxiv": Workload(
        "GCN 3×256, full batch, arxiv",
        ("model=gcn", "model/head=flat", "dataset=minesweeper", *PLAIN, *sized(256, 3)),
        lambda: twins.NodeGCN(128, 256, 3, 40),
        papers,
        PAPERS,
    ),
}
