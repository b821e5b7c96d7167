"""Minesweeper (Platonov et al., ICLR 2023): which cells of a 100 × 100 grid hold mines; heterophilous."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch_geometric.datasets import HeterophilousGraphDataset

from gnnlab.datasets.base import Dataset
from gnnlab.datasets.source import RawFiles
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec


@dataclass(frozen=True)
class Minesweeper(Dataset):
    """One graph: 10,000 nodes, 39,402 undirected edges; 10 published splits 50/25/25 %.

    Source: `torch_geometric.datasets.HeterophilousGraphDataset`. Task: one binary label a node;
    metric ROC-AUC. Features: the number of mines next to the cell, one-hot, or unknown (7 columns).
    Published: GCN 89.75 ± 0.52, GraphSAGE 93.51 ± 0.57, GAT-sep 93.91 ± 0.35.
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected")
    num_folds: ClassVar[int] = 10

    fold: int | Literal["all"] = 0

    def spec(self) -> GraphSpec:
        return GraphSpec(
            "minesweeper",
            level="node",
            target="binary",
            num_targets=1,
            metric="roc_auc",
            node=Feature.continuous(7),
        )

    def key(self) -> dict[str, Any]:
        return {**super().key(), "raw": self._raw().state()}

    def build(self) -> dict[str, Packed]:
        raw = self._raw()
        data: Any = raw.read(lambda root: HeterophilousGraphDataset(root, "minesweeper")._data, check=_read)
        graph = Packed.from_tensors(
            torch.tensor([data.num_nodes]),
            torch.tensor([data.num_edges]),
            data.edge_index,
            node={"x": data.x.float(), "y": data.y[:, None].float()},
        )
        return {split: graph.with_node(mask=data[f"{split}_mask"][:, self.fold]) for split in ("train", "val", "test")}

    def _raw(self) -> RawFiles:
        return self.source.raw("HeterophilousGraphDataset", ["minesweeper/raw/minesweeper.npz"], _download)


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def _download(folder: Path) -> None:
    """PyG's download alone, without its processing."""
    dataset = HeterophilousGraphDataset.__new__(HeterophilousGraphDataset)
    dataset.root, dataset.name = str(folder), "minesweeper"
    dataset.download()
