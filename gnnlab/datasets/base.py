"""What every dataset is: splits of packed graphs, cached on disk and checked once, and their `GraphSpec`."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from gnnlab.datasets.check import check_split
from gnnlab.datasets.source import DataSource, RawFiles, check_file
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import GraphSpec

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Dataset(ABC):
    """Splits "train", "val", "test" and their specification.

    A subclass is a frozen dataclass of its options, and says what it is (`spec`)
    and how its splits are made (`build`). One with `num_folds` published splits has an option `fold`.
    `gives` names the facts that other parts may need, for the check that comes before any data: graph_level,
    node_level or edge_level and edge_attr, as `spec` has it, undirected, and one_graph where the splits are parts of
    one.
    """

    gives: ClassVar[tuple[str, ...]] = ()
    num_folds: ClassVar[int] = 1
    source: DataSource

    @abstractmethod
    def spec(self) -> GraphSpec:
        """The specification, without the degrees."""

    @abstractmethod
    def build(self) -> dict[str, Packed]:
        """The splits, from raw files or a generator."""

    def key(self) -> dict[str, Any]:
        """All that `build` depends on beside its code, as JSON: the options. One that reads files adds their state."""
        return {name: value for name, value in vars(self).items() if name != "source"}

    def state(self) -> dict[str, Any]:
        """The contents of files that a user may change, as JSON: a finished run is of these and no others."""
        return {}

    def load(self) -> tuple[dict[str, Packed], GraphSpec]:
        """The splits and the specification. The first time, builds, checks and caches them.

        Raises `UsageError` where raw files are missing or damaged, a value is out of its range, or `gives`
        is not what `spec` says.
        """
        self._check_options()
        spec, kind = self.spec(), type(self)
        self._check_gives(spec)
        key = {"dataset": f"{kind.__module__}.{kind.__qualname__}", **self.key()}
        splits = self.source.cache.packed(spec.name, key, self._build_checked, code=(kind, Packed))
        return splits, replace(spec, in_degrees=in_degrees(splits["train"]))

    def _check_options(self) -> None:
        fold = getattr(self, "fold", 0)
        if fold not in range(self.num_folds):
            raise UsageError(f"dataset.fold={fold}: load one fold, 0 … {self.num_folds - 1}.")

    def _check_gives(self, spec: GraphSpec) -> None:
        facts = {f"{spec.level}_level", *(["edge_attr"] if spec.edge.kind != "none" else [])}
        if facts != set(self.gives) - {"undirected", "one_graph"}:
            raise UsageError(
                f"{type(self).__name__}.gives is {self.gives}, but its spec() says {', '.join(sorted(facts))}: "
                "name these, and undirected and one_graph where it is so."
            )

    def _build_checked(self) -> dict[str, Packed]:
        log.info("Preparing %s, once.", self.spec().name)
        splits = self.build()
        for name, packed in splits.items():
            check_split(name, packed, self.spec())
        return splits


@dataclass(frozen=True)
class RawDataset(Dataset):
    """One made from raw files: says which (`raw`) and reads them (`read`); their state is a part of its key."""

    @abstractmethod
    def raw(self) -> RawFiles:
        """The files, copied from the mirror or downloaded where they are missing."""

    @abstractmethod
    def read(self, root: Path) -> dict[str, Packed]:
        """The splits, from the files, which lie under `root`."""

    def check_file(self, path: Path) -> None:
        """Fails where a file is damaged; asked which one it is when `read` has failed."""
        check_file(path)

    def key(self) -> dict[str, Any]:
        return {**super().key(), "raw": self.raw().state()}

    def build(self) -> dict[str, Packed]:
        return self.raw().read(lambda root: self.read(Path(root)), self.check_file)


def consecutive(graphs: Packed, ends: tuple[int, int, int]) -> dict[str, Packed]:
    """The splits one after the other, each up to its end."""
    bounds = zip(SPLITS, (0, *ends[:-1]), ends, strict=True)
    return {split: graphs.take(torch.arange(first, last)) for split, first, last in bounds}


def node_splits(edge_index: Tensor, x: Tensor, y: Tensor, masks: Mapping[str, Tensor]) -> dict[str, Packed]:
    """Splits of the nodes of one graph: each is the same graph with its own node attribute `mask` [N] of booleans."""
    graph = Packed.from_tensors(
        torch.tensor([len(x)]), torch.tensor([edge_index.shape[1]]), edge_index, node={"x": x, "y": y}
    )
    return {split: graph.with_node(mask=mask.bool()) for split, mask in masks.items()}


def in_degrees(packed: Packed) -> tuple[int, ...]:
    """How many nodes (of the split, where it is a part of one graph) have in-degree 0, 1, 2, …"""
    degrees = packed.rowptr.diff()
    if "mask" in packed.node and packed.num_graphs == 1:
        degrees = degrees[packed.node["mask"]]
    return tuple(torch.bincount(degrees).tolist())
