"""Long Range Graph Benchmark (Dwivedi et al., NeurIPS 2022): peptides, and superpixels of images.

Read from the raw files of `torch_geometric.datasets.LRGBDataset`: for each split a list of graphs
(x, edge_attr, edge_index, y). PCQM-Contact is in `gnnlab.datasets.pcqm_contact`.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch_geometric.datasets import LRGBDataset

from gnnlab.datasets.base import SPLITS, RawDataset
from gnnlab.datasets.ogb import ATOM, BOND
from gnnlab.datasets.source import RawFiles, download_only
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""The class numbers below 91 that COCO does not use."""


@dataclass(frozen=True)
class Peptides(RawDataset):
    """Peptides of some 151 atoms (LRGB; Dwivedi et al., NeurIPS 2022).

    15,535 of them, split 10,873/2,331/2,331, with OGB's features. Task of `func`: which of ten functions, several
    at once; metric average precision, mean over the functions. Task of `struct`: eleven properties of the shape,
    standardised; metric MAE.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")

    task: Literal["func", "struct"]

    def spec(self) -> GraphSpec:
        if self.task == "func":
            return GraphSpec("peptides_func", "graph", "multilabel", 10, "ap", ATOM, BOND)
        return GraphSpec("peptides_struct", "graph", "regression", 11, "mae", ATOM, BOND)

    def raw(self) -> RawFiles:
        return raw_files(self, f"peptides-{self.task}", "pt")

    def read(self, root: Path) -> dict[str, Packed]:
        folder = root / f"peptides-{self.task}" / "raw"
        return {split: pack(torch.load(folder / f"{split}.pt", weights_only=True), "graph") for split in SPLITS}


@dataclass(frozen=True)
class Superpixels(RawDataset):
    """Images as graphs of superpixels that touch (LRGB; Dwivedi et al., NeurIPS 2022).

    Task: the class of the object in which each of some 480 superpixels lies. PascalVOC-SP: 11,355 images, split
    8,498/1,428/1,429, 21 classes. COCO-SP: 123,286 images, split 113,286/5,000/5,000, 81 classes. Class-weighted
    loss, metric macro F1. Features: colours and places (14), of an edge two of the boundary; `standardize_features`:
    by the training split (Tönshoff et al. 2024), as the first published results are not.
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level", "edge_attr", "undirected")

    name: Literal["pascalvoc", "coco"]
    standardize_features: bool = True

    def spec(self) -> GraphSpec:
        return GraphSpec(
            f"{self.name}_sp",
            level="node",
            target="multiclass",
            num_targets={"pascalvoc": 21, "coco": 81}[self.name],
            metric="f1",
            node=Feature.continuous(14),
            edge=Feature.continuous(2),
            weighted_loss=True,
        )

    def raw(self) -> RawFiles:
        return raw_files(self, f"{self.name}-sp", "pickle")

    def read(self, root: Path) -> dict[str, Packed]:
        folder = root / f"{self.name}-sp" / "raw"
        splits = {split: pack(pickle.loads((folder / f"{split}.pickle").read_bytes()), "node") for split in SPLITS}
        if self.name == "coco":
            used = torch.tensor([label not in COCO_GAPS for label in range(91)])
            for packed in splits.values():
                packed.node["y"] = (used.cumsum(0) - 1)[packed.node["y"]]
        if self.standardize_features:
            standardize(splits)
        return splits


def raw_files(dataset: RawDataset, name: str, suffix: str) -> RawFiles:
    files = [f"{name}/raw/{split}.{suffix}" for split in SPLITS]
    return dataset.source.raw("LRGB", files, download_only(LRGBDataset, name=name))


def pack(graphs: list[tuple[Any, ...]], level: Literal["graph", "node"]) -> Packed:
    """Raw graphs, put together column by column."""
    x, edge_attr, edge_index, y = zip(*graphs, strict=True)
    if level == "node":
        x, edge_attr = [value.float() for value in x], [value.float() for value in edge_attr]
    targets = {"y": torch.cat([torch.as_tensor(value) for value in y])}
    return Packed.from_tensors(
        torch.tensor([len(value) for value in x]),
        torch.tensor([len(value) for value in edge_attr]),
        torch.cat(edge_index, dim=1),
        node={"x": torch.cat(x), **(targets if level == "node" else {})},
        edge={"edge_attr": torch.cat(edge_attr)},
        graph=targets if level == "graph" else {},
    )


def standardize(splits: dict[str, Packed]) -> None:
    """Every column of x and edge_attr less its mean over the training split, over its deviation there."""
    for kind, name in (("node", "x"), ("edge", "edge_attr")):
        training: Tensor = getattr(splits["train"], kind)[name]
        mean, deviation = training.mean(0), training.std(0).clamp(min=1e-6)
        for packed in splits.values():
            getattr(packed, kind)[name] = (getattr(packed, kind)[name] - mean) / deviation
