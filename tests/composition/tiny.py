"""Four small graphs for each kind of task, with and without edge features: what the compositions train on."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnnlab.datasets.base import Dataset, node_splits
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec, Level, Metric, Target
from gnnlab.testing import random_graph

METRICS: dict[Target, Metric] = {
    "regression": "mae",
    "binary": "roc_auc",
    "multiclass": "accuracy",
    "multilabel": "ap",
    "sequence": "subtoken_f1",
}


@dataclass(frozen=True)
class Tiny(Dataset):
    """Molecule-like graphs of 4 to 9 nodes, each split the same; random targets, three of them where there can be."""

    level: ClassVar[Level]
    bonds: ClassVar[bool] = True

    target: Target

    def spec(self) -> GraphSpec:
        edge = Feature.categorical(4) if self.bonds else Feature()
        targets, length = 1 if self.target == "binary" else 3, 2 if self.target == "sequence" else 1
        name, node = f"tiny_{type(self).__name__.lower()}", Feature.categorical(28)
        return GraphSpec(name, self.level, self.target, targets, METRICS[self.target], node, edge, length=length)

    def build(self) -> dict[str, Packed]:
        generator = torch.Generator().manual_seed(0)
        graphs: list[Any] = [random_graph(nodes, 3 * nodes, generator) for nodes in (4, 6, 7, 9)]
        for graph in graphs:
            rows = {"graph": 1, "node": graph.num_nodes, "edge": graph.num_edges}[self.level]
            graph.y = self.targets(rows, generator)
            if self.target == "sequence":
                graph.words = graph.y
            if not self.bonds:
                del graph.edge_attr
        return dict.fromkeys(("train", "val", "test"), Packed.from_graphs(graphs, self.level))

    def targets(self, rows: int, generator: torch.Generator) -> Tensor:
        if self.target == "multiclass":
            return torch.randint(3, (rows,), generator=generator)
        if self.target == "sequence":
            return torch.randint(3, (rows, 2), generator=generator)
        values = torch.randn(rows, self.spec().num_targets, generator=generator)
        return values if self.target == "regression" else (values > 0).float()


@dataclass(frozen=True)
class Graphs(Tiny):
    gives: ClassVar[tuple[str, ...]] = ("graph_level", "undirected", "edge_attr")
    level: ClassVar[Level] = "graph"


@dataclass(frozen=True)
class PlainGraphs(Graphs):
    gives: ClassVar[tuple[str, ...]] = ("graph_level", "undirected")
    bonds: ClassVar[bool] = False


@dataclass(frozen=True)
class Nodes(Tiny):
    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected", "edge_attr")
    level: ClassVar[Level] = "node"


@dataclass(frozen=True)
class PlainNodes(Nodes):
    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected")
    bonds: ClassVar[bool] = False


@dataclass(frozen=True)
class Edges(Tiny):
    gives: ClassVar[tuple[str, ...]] = ("edge_level", "undirected", "edge_attr")
    level: ClassVar[Level] = "edge"


@dataclass(frozen=True)
class OneGraph(PlainNodes):
    """All four graphs as one, whose nodes are parted."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected", "one_graph")

    def build(self) -> dict[str, Packed]:
        graphs = super().build()["train"]
        x, y = graphs.node["x"], graphs.node["y"]
        part = torch.arange(len(x)) % 3
        return node_splits(graphs.edge_index, x, y, {"train": part == 0, "val": part == 1, "test": part == 2})
