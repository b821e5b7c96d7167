"""Open Graph Benchmark (Hu et al., NeurIPS 2020): molecules, proteins, one large graph of papers or of products.

Read from OGB's raw CSV files with pandas, all graphs at once; the `ogb` package, its prompts and its pickles take
no part. An edge is stored once there and taken in both directions here.
"""

import shutil
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import download_url, extract_zip
from torch_geometric.utils import to_undirected

from gnnlab.datasets.base import RawDataset, node_splits
from gnnlab.datasets.source import RawFiles
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec, Metric

ATOM = Feature.categorical(119, 4, 12, 12, 10, 6, 6, 2, 2)
"""Element, chirality, degree, charge, hydrogens, radical electrons, hybridisation, aromatic, in a ring."""
BOND = Feature.categorical(5, 6, 2)
"""Type, stereochemistry, conjugated."""
SERVER = "http://snap.stanford.edu/ogb/data"
SPLIT_FILES = {"train": "train", "val": "valid", "test": "test"}


class Molecules(NamedTuple):
    """The name of the archive, and the task."""

    archive: str
    tasks: int
    metric: Metric


MOLECULES = {
    "molhiv": Molecules("hiv", 1, "roc_auc"),
    "molpcba": Molecules("pcba", 128, "ap"),
    "molbace": Molecules("bace", 1, "roc_auc"),
    "molbbbp": Molecules("bbbp", 1, "roc_auc"),
    "molclintox": Molecules("clintox", 2, "roc_auc"),
    "molmuv": Molecules("muv", 17, "ap"),
    "molsider": Molecules("sider", 27, "roc_auc"),
    "moltox21": Molecules("tox21", 12, "roc_auc"),
    "moltoxcast": Molecules("toxcast", 617, "roc_auc"),
    "molesol": Molecules("esol", 1, "rmse"),
    "molfreesolv": Molecules("freesolv", 1, "rmse"),
    "mollipo": Molecules("lipophilicity", 1, "rmse"),
}


@dataclass(frozen=True)
class OGB(RawDataset):
    """What the data sets of OGB have in common: folders, downloads, tables."""

    @abstractmethod
    def place(self) -> tuple[str, str, str]:
        """The folder under `ogb`, the name of the split, and the archive on OGB's server."""

    @abstractmethod
    def tables(self) -> tuple[str, ...]:
        """The raw tables."""

    def raw(self) -> RawFiles:
        folder, split, _ = self.place()
        files = [f"raw/{table}" for table in self.tables()] + [f"split/{split}/{part}" for part in SPLIT_FILES.values()]
        return self.source.raw(f"ogb/{folder}", [f"{file}.csv.gz" for file in files], self._download)

    def split(self, root: Path) -> dict[str, Tensor]:
        """The graphs or nodes of each split, by number."""
        name = self.place()[1]
        return {split: table(root / "split" / name / part)[:, 0] for split, part in SPLIT_FILES.items()}

    def _download(self, folder: Path) -> None:
        archive = self.place()[2]
        extract_zip(download_url(f"{SERVER}/{archive}.zip", str(folder)), str(folder))
        shutil.copytree(folder / archive.rpartition("/")[2], folder, dirs_exist_ok=True)


@dataclass(frozen=True)
class OGBMolecules(OGB):
    """Molecules of the Open Graph Benchmark (Hu et al., NeurIPS 2020), in the published scaffold split.

    Nine features of atoms and three of bonds. Task: yes or no (one label, or several of which some are unknown;
    ROC-AUC or average precision, mean over the labels), or one real number (RMSE).
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")

    name: Literal[
        "molhiv",
        "molpcba",
        "molbace",
        "molbbbp",
        "molclintox",
        "molmuv",
        "molsider",
        "moltox21",
        "moltoxcast",
        "molesol",
        "molfreesolv",
        "mollipo",
    ]

    def spec(self) -> GraphSpec:
        _, tasks, metric = MOLECULES[self.name]
        target = "regression" if metric == "rmse" else "binary" if tasks == 1 else "multilabel"
        return GraphSpec(f"ogbg_{self.name}", "graph", target, tasks, metric, ATOM, BOND)

    def place(self) -> tuple[str, str, str]:
        return f"ogbg_{self.name}", "scaffold", f"graphproppred/csv_mol_download/{MOLECULES[self.name].archive}"

    def tables(self) -> tuple[str, ...]:
        return "edge", "node-feat", "edge-feat", "num-node-list", "num-edge-list", "graph-label"

    def read(self, root: Path) -> dict[str, Packed]:
        edges, x, bonds, num_nodes, num_edges, y = (table(root / "raw" / name) for name in self.tables())
        graphs = Packed.from_tensors(
            num_nodes[:, 0],
            2 * num_edges[:, 0],
            with_reverses(edges),
            node={"x": x},
            edge={"edge_attr": bonds.repeat_interleave(2, dim=0)},
            graph={"y": y.float()},
        )
        return {split: graphs.take(chosen) for split, chosen in self.split(root).items()}


@dataclass(frozen=True)
class PPA(OGB):
    """Which proteins of a species go together: ogbg-ppa (Hu et al., NeurIPS 2020).

    158,100 neighbourhoods of some 243 proteins and 2,266 associations, split by species 78,200/45,100/34,800. Task: the
    group that the species belongs to, 37 classes; metric accuracy. Features: none of nodes, of an edge how strongly
    seven kinds of evidence speak for it. In the cache some 45 GB, which are mapped into memory; to prepare them takes
    twice as much memory.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")

    def spec(self) -> GraphSpec:
        return GraphSpec("ogbg_ppa", "graph", "multiclass", 37, "accuracy", edge=Feature.continuous(7))

    def place(self) -> tuple[str, str, str]:
        return "ogbg_ppa", "species", "graphproppred/ogbg_ppi_medium"

    def tables(self) -> tuple[str, ...]:
        return "edge", "edge-feat", "num-node-list", "num-edge-list", "graph-label"

    def read(self, root: Path) -> dict[str, Packed]:
        edges, strength, num_nodes, num_edges, y = (table(root / "raw" / name) for name in self.tables())
        graphs = Packed.from_tensors(
            num_nodes[:, 0],
            2 * num_edges[:, 0],
            with_reverses(edges),
            edge={"edge_attr": strength.float().repeat_interleave(2, dim=0)},
            graph={"y": y[:, 0]},
        )
        return {split: graphs.take(chosen) for split, chosen in self.split(root).items()}


@dataclass(frozen=True)
class OGBNodes(OGB):
    """A large graph of the Open Graph Benchmark (Hu et al., NeurIPS 2020): papers or products; undirected.

    The papers are split by year, the products by sales rank. Nodes and undirected edges: arxiv 169,343 and
    1,157,799 (the 1,166,243 citations without their direction), products 2,449,029 and 61,859,140. Task: the
    subject area (40), the category (47); metric accuracy.
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected", "one_graph")

    name: Literal["arxiv", "products"]

    def spec(self) -> GraphSpec:
        features, classes = {"arxiv": (128, 40), "products": (100, 47)}[self.name]
        node = Feature.continuous(features)
        return GraphSpec(f"ogbn_{self.name}", "node", "multiclass", classes, "accuracy", node)

    def place(self) -> tuple[str, str, str]:
        split = {"arxiv": "time", "products": "sales_ranking"}[self.name]
        return f"ogbn_{self.name}", split, f"nodeproppred/{self.name}"

    def tables(self) -> tuple[str, ...]:
        return "edge", "node-feat", "node-label"

    def read(self, root: Path) -> dict[str, Packed]:
        edges, x, y = (table(root / "raw" / name) for name in self.tables())
        masks = {split: torch.zeros(len(x), dtype=torch.bool) for split in SPLIT_FILES}
        for split, chosen in self.split(root).items():
            masks[split][chosen] = True
        return node_splits(to_undirected(edges.T, num_nodes=len(x)), x, y[:, 0], masks)


def with_reverses(edges: Tensor) -> Tensor:
    """Edges [m, 2] to [2, 2 m]: each, and then its reverse."""
    return torch.stack([edges, edges.flip(1)], dim=1).flatten(0, 1).T


def table(path: Path) -> Tensor:
    """One of OGB's tables [rows, columns] of integers or floats; an empty field is NaN. `path` has no `.csv.gz`."""
    import pandas as pd

    values: Any = pd.read_csv(path.with_name(f"{path.name}.csv.gz"), header=None).to_numpy()
    return torch.from_numpy(values.astype("int64" if values.dtype.kind == "i" else "float32"))
