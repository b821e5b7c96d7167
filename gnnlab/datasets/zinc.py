"""ZINC (Irwin et al. 2012) as in Dwivedi et al. 2023: constrained solubility of molecules, from 2-D graphs."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch_geometric.datasets import ZINC

from gnnlab.datasets.base import SPLITS, RawDataset
from gnnlab.datasets.source import RawFiles, download_only
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

SUBSET = {"train": 10_000, "val": 1_000, "test": 1_000}
FULL = {"train": 220_011, "val": 24_445, "test": 5_000}


@dataclass(frozen=True)
class Zinc(RawDataset):
    """12,000 molecules (`subset`), or 249,456; about 23 atoms and 50 directed bonds each.

    Source: `torch_geometric.datasets.ZINC`. Task: one regression target a graph; metric MAE.
    Features: 28 atom types, 4 bond types. Published, subset: GPS 0.070 ± 0.004 (Rampášek et al. 2022),
    GatedGCN + LapPE 0.214 ± 0.013, GIN 0.526 ± 0.051 (Dwivedi et al. 2023).
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")

    subset: bool = True

    def spec(self) -> GraphSpec:
        return GraphSpec(
            "zinc" if self.subset else "zinc_full",
            level="graph",
            target="regression",
            num_targets=1,
            metric="mae",
            node=Feature.categorical(28),
            edge=Feature.categorical(4),
        )

    def raw(self) -> RawFiles:
        files = [f"raw/{split}.{kind}" for kind in ("pickle", "index") for split in SPLITS]
        return self.source.raw("ZINC", files, download_only(ZINC))

    def read(self, root: Path) -> dict[str, Packed]:
        return {split: self._pack(root, split) for split in SPLITS}

    def _pack(self, root: Path, split: str) -> Packed:
        dataset: Any = ZINC(str(root), self.subset, split)
        if len(dataset) != (SUBSET if self.subset else FULL)[split]:
            raise ValueError(f"{len(dataset)} {split} graphs are not the published number")
        data, slices = dataset._data, dataset.slices
        return Packed.from_tensors(
            slices["x"].diff(),
            slices["edge_index"].diff(),
            data.edge_index,
            node={"x": data.x},
            edge={"edge_attr": data.edge_attr[:, None]},
            graph={"y": data.y[:, None]},
        )

    def check_file(self, path: Path) -> None:
        if path.suffix == ".index":
            entries: list[Any] = [int(number) for number in path.read_text(encoding="utf-8").split(",")]
            expected = SUBSET[path.stem]
        else:
            entries = pickle.loads(path.read_bytes())
            expected = FULL[path.stem]
        if len(entries) != expected:
            raise ValueError(f"{len(entries)} entries instead of {expected}")
        if not self.subset and None in entries:
            raise ValueError("it holds the molecules of the 12k subset only, enough for dataset=zinc")
