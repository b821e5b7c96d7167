"""TU data sets (Morris et al., "TUDataset", ICML workshop GRL+ 2020): classes of graphs, without published splits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.datasets import TUDataset
from torch_geometric.io import read_tu_data

from gnnlab.bounds import Natural
from gnnlab.datasets.base import RawDataset
from gnnlab.datasets.source import RawFiles, download_only, read_lines
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec


class Sizes(NamedTuple):
    """Graph classes; labels and attributes of a node, labels of an edge."""

    classes: int
    labels: int = 0
    attributes: int = 0
    edge_labels: int = 0


SIZES = {
    "MUTAG": Sizes(2, labels=7, edge_labels=4),
    "PTC_MR": Sizes(2, labels=18, edge_labels=4),
    "NCI1": Sizes(2, labels=37),
    "PROTEINS": Sizes(2, labels=3, attributes=1),
    "ENZYMES": Sizes(6, labels=3, attributes=18),
    "DD": Sizes(2, labels=89),
    "IMDB-BINARY": Sizes(2),
    "IMDB-MULTI": Sizes(3),
    "COLLAB": Sizes(3),
    "REDDIT-BINARY": Sizes(2),
}


@dataclass(frozen=True)
class TU(RawDataset):
    """Classes of graphs (TUDataset; Morris et al., ICML workshop GRL+ 2020), in ten stratified folds.

    Features: one-hot node labels, where there are any; `attributes` puts real-valued ones before them. Task: the
    class of the graph, metric accuracy. Ten folds, stratified by class and drawn with `seed`: fold f is tested on
    part f, validated on part f + 1 and trained on the other eight, 80/10/10 %.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "undirected")
    num_folds: ClassVar[int] = 10

    name: Literal["NCI1", "PROTEINS", "ENZYMES", "DD", "IMDB-BINARY", "IMDB-MULTI", "COLLAB", "REDDIT-BINARY"]
    attributes: bool = False
    fold: int | Literal["all"] = 0
    seed: Natural = 0

    def spec(self) -> GraphSpec:
        sizes = SIZES[self.name]
        features = sizes.labels + (sizes.attributes if self.attributes else 0)
        return GraphSpec(
            self.name.lower().replace("-", "_"),
            level="graph",
            target="multiclass",
            num_targets=sizes.classes,
            metric="accuracy",
            node=Feature.continuous(features) if features else Feature(),
            edge=Feature.continuous(sizes.edge_labels) if sizes.edge_labels else Feature(),
        )

    def raw(self) -> RawFiles:
        sizes, parts = SIZES[self.name], ["A", "graph_indicator", "graph_labels"]
        parts += ["node_labels"] if sizes.labels else []
        parts += ["node_attributes"] if sizes.attributes else []
        parts += ["edge_labels"] if sizes.edge_labels else []
        fetch = download_only(TUDataset, name=self.name, cleaned=False)
        return self.source.raw("TUDataset", [self._file(part) for part in parts], fetch)

    def read(self, root: Path) -> dict[str, Packed]:
        for path in (root / self.name / "raw").iterdir():
            read_lines(path)
        data: Any
        data, slices, sizes = read_tu_data(str(root / self.name / "raw"), self.name)
        node, edge = {}, {}
        if self.spec().node.kind != "none":
            node["x"] = data.x if self.attributes else data.x[:, sizes["num_node_attributes"] :]
        if self.spec().edge.kind != "none":
            edge["edge_attr"] = data.edge_attr
        owner = torch.tensor([int(graph) for graph in read_lines(root / self._file("graph_indicator"))]) - 1
        num_edges = slices["edge_index"].diff()
        num_edges = pad(num_edges, (0, len(data.y) - len(num_edges)))
        graphs = Packed.from_tensors(torch.bincount(owner), num_edges, data.edge_index, node, edge, {"y": data.y})
        part = (stratified_folds(data.y, self.num_folds, self.seed) - int(self.fold)) % self.num_folds
        chosen = {"train": part >= 2, "val": part == 1, "test": part == 0}
        return {split: graphs.take(of_split.nonzero()[:, 0]) for split, of_split in chosen.items()}

    def _file(self, part: str) -> str:
        return f"{self.name}/raw/{self.name}_{part}.txt"


@dataclass(frozen=True)
class TUMolecules(TU):
    """Classes of molecules with labels of their bonds (TUDataset; Morris et al. 2020), in the folds of `TU`."""

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")

    name: Literal["MUTAG", "PTC_MR"]


def stratified_folds(y: Tensor, folds: int, seed: int) -> Tensor:
    """The fold [G] of each graph: sizes of folds, and of each class y [G] within them, differ by one at most."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(y)))
    order = order[torch.argsort(y[order], stable=True)]
    return torch.empty_like(order).index_copy_(0, order, torch.arange(len(y)) % folds)
