"""Random molecules of ZINC's sizes, for machines without its data: the loss falls, and means nothing else."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch_geometric.data import Data

from gnnlab.datasets.base import Dataset
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import random_graph


@dataclass(frozen=True)
class Molecules(Dataset):
    """10,000, 1,000 and 1,000 graphs; the target is the share of nodes of the first seven types."""

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")

    def spec(self) -> GraphSpec:
        return GraphSpec(
            "molecules", "graph", "regression", 1, "mae", node=Feature.categorical(28), edge=Feature.categorical(4)
        )

    def build(self) -> dict[str, Packed]:
        generator = torch.Generator().manual_seed(0)

        def molecule() -> Data:
            graph = random_graph(23, 50, generator)
            assert graph.x is not None
            graph.y = (graph.x < 7).float().mean().view(1, 1)
            return graph

        sizes = {"train": 10_000, "val": 1_000, "test": 1_000}
        return {split: Packed.from_graphs([molecule() for _ in range(size)]) for split, size in sizes.items()}
