"""Heterophilous graphs (Platonov et al., "A critical look at the evaluation of GNNs under heterophily", ICLR 2023)."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch_geometric.data import download_url
from torch_geometric.datasets import HeterophilousGraphDataset
from torch_geometric.utils import to_undirected

from gnnlab.datasets.base import RawDataset, node_splits
from gnnlab.datasets.source import RawFiles, read_arrays
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

Name = Literal[
    "roman_empire",
    "amazon_ratings",
    "minesweeper",
    "tolokers",
    "questions",
    "chameleon_filtered",
    "squirrel_filtered",
]
SIZES: dict[Name, tuple[int, int]] = {
    "roman_empire": (300, 18),
    "amazon_ratings": (300, 5),
    "minesweeper": (7, 2),
    "tolokers": (10, 2),
    "questions": (301, 2),
    "chameleon_filtered": (2325, 5),
    "squirrel_filtered": (2089, 5),
}
"""Features of a node, classes."""


@dataclass(frozen=True)
class Heterophilous(RawDataset):
    """A graph whose neighbours often differ in class (Platonov et al., ICLR 2023); ten published splits of its nodes.

    Splits of 50/25/25 %. Nodes and undirected edges: roman_empire 22,662 and 32,927; amazon_ratings 24,492 and
    93,050; minesweeper 10,000 and 39,402; tolokers 11,758 and 519,000; questions 48,921 and 153,540; and, without
    the duplicate nodes of the originals, chameleon_filtered 890 and 8,854; squirrel_filtered 2,223 and 46,998
    (about 48/32/20 %). Two classes: one binary label, metric ROC-AUC; more: metric accuracy.
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected", "one_graph")
    num_folds: ClassVar[int] = 10

    name: Name
    fold: int | Literal["all"] = 0

    def spec(self) -> GraphSpec:
        features, classes = SIZES[self.name]
        binary = classes == 2
        return GraphSpec(
            self.name,
            level="node",
            target="binary" if binary else "multiclass",
            num_targets=1 if binary else classes,
            metric="roc_auc" if binary else "accuracy",
            node=Feature.continuous(features),
        )

    def raw(self) -> RawFiles:
        file = f"{self.name}/raw/{self.name}.npz"
        url = f"{HeterophilousGraphDataset.url}/{self.name}.npz"
        return self.source.raw(
            "HeterophilousGraphDataset", [file], lambda folder: download_url(url, str(folder / self.name / "raw"))
        )

    def read(self, root: Path) -> dict[str, Packed]:
        arrays = read_arrays(root / self.name / "raw" / f"{self.name}.npz")
        found = {name: torch.from_numpy(value) for name, value in arrays.items()}
        x, y = found["node_features"].float(), found["node_labels"]
        y = y[:, None].float() if self.spec().target == "binary" else y.long()
        edge_index = to_undirected(found["edges"].T.long(), num_nodes=len(x))
        masks = {split: found[f"{split}_masks"][int(self.fold)] for split in ("train", "val", "test")}
        return node_splits(edge_index, x, y, masks)
