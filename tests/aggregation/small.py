"""A graph of 40 nodes in three classes, three splits of its nodes: what the policies train on here."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from gnnlab.datasets.base import Dataset, node_splits
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

Kind = Literal["plain", "no_edges", "isolated", "self_loops", "one_class"]


@dataclass(frozen=True)
class Small(Dataset):
    """Random pairs among 40 nodes; features tell the class, with noise."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "one_graph", "undirected")
    kind: Kind = "plain"

    def spec(self) -> GraphSpec:
        return GraphSpec("small", "node", "multiclass", 3, "accuracy", Feature.continuous(6))

    def build(self) -> dict[str, Packed]:
        random = torch.Generator().manual_seed(0)
        nodes = torch.arange(40)
        y = torch.zeros_like(nodes) if self.kind == "one_class" else nodes % 3
        x = torch.randn(40, 6, generator=random) + torch.nn.functional.one_hot(y, 6)
        pairs = torch.randint(30 if self.kind == "isolated" else 40, (2, 60), generator=random)
        pairs = pairs[:, pairs[0] < pairs[1]].unique(dim=1)
        edges = torch.cat([pairs, pairs.flip(0)], 1)
        if self.kind == "no_edges":
            edges = edges[:, :0]
        if self.kind == "self_loops":
            edges = torch.cat([edges, nodes[:20].expand(2, -1)], 1)
        return node_splits(
            edges, x, y, {part: nodes % 4 == i for i, part in enumerate(("val", "test"))} | {"train": nodes % 4 > 1}
        )
