"""Cora, CiteSeer, PubMed: citation networks (Sen et al. 2008; splits of Yang et al., ICML 2016, and Geom-GCN)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch_geometric.datasets import Planetoid as Loader
from torch_geometric.io import read_planetoid_data

from gnnlab.datasets.base import RawDataset, node_splits
from gnnlab.datasets.source import RawFiles, download_only, read_arrays
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

Name = Literal["Cora", "CiteSeer", "PubMed"]
SIZES: dict[Name, tuple[int, int]] = {"Cora": (1433, 7), "CiteSeer": (3703, 6), "PubMed": (500, 3)}
"""Features of a node, classes."""
PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")


@dataclass(frozen=True)
class CitationNetwork(RawDataset):
    """One graph of papers, undirected; the task is the field of each paper, metric accuracy.

    Nodes and undirected edges: Cora 2,708 and 5,278, CiteSeer 3,327 and 4,552, PubMed 19,717 and 44,324.
    Features: words; `normalize_features` divides those of each paper by their sum (Kipf & Welling 2017).
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected", "one_graph")

    name: Name
    normalize_features: bool = True

    def spec(self) -> GraphSpec:
        features, classes = SIZES[self.name]
        node = Feature.continuous(features)
        return GraphSpec(self.name.lower(), "node", "multiclass", classes, "accuracy", node)

    def files(self, folder: str) -> list[str]:
        """The files of the graph, in the data set's `folder`."""
        return [f"{self.name}/{folder}/ind.{self.name.lower()}.{part}" for part in PARTS]

    def graph(self, folder: Path) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """Edges, features, classes and the masks of the public split."""
        data: Any = read_planetoid_data(str(folder), self.name)
        x = data.x / data.x.sum(1, keepdim=True).clamp(min=1e-9) if self.normalize_features else data.x
        return data.edge_index, x, data.y, {split: data[f"{split}_mask"] for split in ("train", "val", "test")}


@dataclass(frozen=True)
class Planetoid(CitationNetwork):
    """A citation network with the public split (Yang et al., ICML 2016).

    20 training papers of each class, 500 for validation, 1,000 to test. `split="full"` trains on all papers that
    are not in the other two (Chen et al., ICLR 2018).
    """

    split: Literal["public", "full"] = "public"

    def raw(self) -> RawFiles:
        return self.source.raw("Planetoid", self.files("raw"), download_only(Loader, name=self.name, split="public"))

    def read(self, root: Path) -> dict[str, Packed]:
        edge_index, x, y, masks = self.graph(root / self.name / "raw")
        if self.split == "full":
            masks["train"] = ~(masks["val"] | masks["test"])
        return node_splits(edge_index, x, y, masks)


@dataclass(frozen=True)
class PlanetoidGeomGCN(CitationNetwork):
    """A citation network with the ten splits of Geom-GCN (Pei et al., ICLR 2020), 48/32/20 % of each class.

    Of Cora only the largest connected part, 2,485 papers, lies in the splits.
    """

    num_folds: ClassVar[int] = 10

    fold: int | Literal["all"] = 0

    def raw(self) -> RawFiles:
        folder = "geom-gcn/raw"
        splits = [f"{self.name}/{folder}/{self.split_file(fold)}" for fold in range(self.num_folds)]
        fetch = download_only(Loader, name=self.name, split="geom-gcn")
        return self.source.raw("Planetoid", self.files(folder) + splits, fetch)

    def read(self, root: Path) -> dict[str, Packed]:
        folder = root / self.name / "geom-gcn" / "raw"
        edge_index, x, y, _ = self.graph(folder)
        arrays = read_arrays(folder / self.split_file(int(self.fold)))
        masks = {split: torch.from_numpy(arrays[f"{split}_mask"]) for split in ("train", "val", "test")}
        return node_splits(edge_index, x, y, masks)

    def split_file(self, fold: int) -> str:
        return f"{self.name.lower()}_split_0.6_0.2_{fold}.npz"
