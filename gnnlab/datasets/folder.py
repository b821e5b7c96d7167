"""Graphs of your own, from a folder; `gnnlab.datasets.folder_files` says what lies in it."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnnlab.bounds import Natural
from gnnlab.datasets.base import SPLITS, Dataset, in_degrees
from gnnlab.datasets.check import check_split
from gnnlab.datasets.folder_files import contents, files_of, read_folder, size_and_time
from gnnlab.datasets.folder_values import Target, both_ways, divided, feature, typed
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import GraphSpec, Level, Metric

USUAL: dict[Target, Metric] = {"regression": "mae", "binary": "roc_auc", "multiclass": "accuracy", "multilabel": "ap"}


@dataclass(frozen=True)
class Folder(Dataset):
    """Your own graphs, each with its targets: CSV tables, or a list of PyG's graphs, in the folder `path`.

    Every edge is taken in both directions; edges without features get a constant one. Where the files tell no
    splits, 80/10/10 % of the graphs (of the nodes of a single one), at least one each, are drawn with `seed`. `target`
    has to be chosen; `metric`: by default the usual one of the target.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")
    level: ClassVar[Level] = "graph"

    path: str
    target: Target | None
    metric: Metric | None = None
    seed: Natural = 0

    def key(self) -> dict[str, Any]:
        return {**super().key(), "files": {file.name: size_and_time(file) for file in files_of(Path(self.path))}}

    def state(self) -> dict[str, Any]:
        return {file.name: contents(file) for file in files_of(Path(self.path))}

    def load(self) -> tuple[dict[str, Packed], GraphSpec]:
        """As of every data set; the specification is that of the values found."""
        self._check_options()
        key = {"dataset": type(self).__name__, **self.key()}
        splits = self.source.cache.packed("folder", key, self._checked, code=(type(self), Packed, read_folder, typed))
        return splits, replace(self._found(splits), in_degrees=in_degrees(splits["train"]))

    def spec(self) -> GraphSpec:
        return self.load()[1]

    def build(self) -> dict[str, Packed]:
        try:
            graphs = self._read()
        except Exception as error:  # whatever a damaged file makes of its reader
            reason = str(error).rstrip(".") if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
            raise UsageError(
                f"dataset.path={self.path} cannot be read: {reason}. The formats are those of {read_folder.__module__}."
            ) from error
        for rows, name in ((graphs.node, "x"), (graphs.edge, "edge_attr")):
            if name in rows and rows[name].dim() == 1:
                rows[name] = rows[name][:, None]
        targets = graphs.graph if self.level == "graph" else graphs.node
        targets["y"] = typed(targets["y"].reshape(len(targets["y"]), -1), self.target)
        graphs.graph["number"] = torch.arange(graphs.num_graphs)
        graphs.edge.setdefault("edge_attr", torch.zeros(graphs.num_edges, 1, dtype=torch.long))
        return divided(both_ways(graphs) if "undirected" in self.gives else graphs, self.seed)

    def _read(self) -> Packed:
        """The graphs, with targets and at most one split, both of what `level` says."""
        graphs = read_folder(Path(self.path), self.level)
        if not len((graphs.graph if self.level == "graph" else graphs.node).get("y", ())):
            raise UsageError(f"there are no targets y of {self.level}s")
        if "one_graph" in self.gives and graphs.num_graphs != 1:
            raise UsageError(f"it holds {graphs.num_graphs} graphs, not one (dataset=folder_nodes takes several)")
        if "split" in graphs.node and "split" in graphs.graph:
            raise UsageError("it has a split of graphs and one of nodes: leave one of the two")
        if self.level == "graph" and "split" in graphs.node:
            where = "the column split of graphs.csv, or split= of each Data in graphs.pt"
            raise UsageError(f"its split is of nodes, its targets are of graphs, which need {where}")
        if self.level == "graph" and graphs.num_graphs < len(SPLITS):
            few = f"train, val and test need a graph each, and it holds {graphs.num_graphs}"
            raise UsageError(f"{few} (dataset=folder_graph has targets of the nodes of one)")
        return graphs

    def _checked(self) -> dict[str, Packed]:
        splits = self.build()
        spec = self._found(splits)
        for split, packed in splits.items():
            check_split(split, packed, spec, packed.graph.pop("number", None))  # masks share theirs
        return splits

    def _found(self, splits: dict[str, Packed]) -> GraphSpec:
        """The specification, as far as values tell it: classes, kinds and sizes of features."""

        def values(kind: str, name: str) -> Tensor | None:
            found = [getattr(packed, kind)[name] for packed in splits.values() if name in getattr(packed, kind)]
            if "mask" in splits["train"].node:
                return found[0] if found else None  # all splits are of the same graphs
            return torch.cat(found) if found else None

        y = values(self.level, "y")
        assert y is not None
        assert self.target is not None
        return GraphSpec(
            os.path.basename(os.path.abspath(self.path)),
            level=self.level,
            target=self.target,
            num_targets=max(int(y.max()) + 1, 2) if self.target == "multiclass" else y.shape[1],
            metric=self.metric or USUAL[self.target],
            node=feature("x", values("node", "x")),
            edge=feature("edge_attr", values("edge", "edge_attr")),
        )


@dataclass(frozen=True)
class FolderDirected(Folder):
    """Your own graphs, each with its targets; edges as they are."""

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr")


@dataclass(frozen=True)
class FolderNodes(Folder):
    """Your own graphs, with targets of each node; every edge is taken in both directions."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "edge_attr", "undirected")
    level: ClassVar[Level] = "node"


@dataclass(frozen=True)
class FolderNodesDirected(FolderNodes):
    """Your own graphs, with targets of each node; edges as they are."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "edge_attr")


@dataclass(frozen=True)
class FolderGraph(FolderNodes):
    """Your own graph, with targets of its nodes; every edge is taken in both directions."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "edge_attr", "undirected", "one_graph")


@dataclass(frozen=True)
class FolderGraphDirected(FolderGraph):
    """Your own graph, with targets of its nodes; edges as they are."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "edge_attr", "one_graph")
