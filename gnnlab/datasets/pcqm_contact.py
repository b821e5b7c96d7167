"""PCQM-Contact of the Long Range Graph Benchmark: which distant atoms of a molecule touch.

Read from the raw files of `torch_geometric.datasets.LRGBDataset`: for each split a list of graphs
(x, edge_attr, edge_index, edge_label_index, edge_label).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from gnnlab.datasets.base import SPLITS, RawDataset
from gnnlab.datasets.lrgb import raw_files
from gnnlab.datasets.ogb import ATOM, BOND
from gnnlab.datasets.source import RawFiles
from gnnlab.packed import Packed
from gnnlab.ragged import ranges, repeat
from gnnlab.spec import GraphSpec


@dataclass(frozen=True)
class PCQMContact(RawDataset):
    """Molecules and the pairs of their atoms that touch: PCQM-Contact (LRGB; Dwivedi et al., NeurIPS 2022).

    529,434 of some 30 atoms, split 90/5/5 %, with OGB's features. A contact: two atoms, five bonds apart at least, that
    are within 3.5 Å in space. Trained on the labelled pairs of the files: contacts, both ways round, and others drawn
    once (GraphGPS draws them at every epoch). For the metric, validation and test hold all pairs (h, x) of every atom
    h with a contact: "mrr", the raw mean reciprocal rank of the first publications, with two filtered ones beside it
    (Tönshoff et al. 2024), see `gnnlab.tasks.task.Ranking`.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_level", "edge_attr", "undirected")

    def spec(self) -> GraphSpec:
        return GraphSpec("pcqm_contact", "edge", "binary", 1, "mrr", ATOM, BOND)

    def raw(self) -> RawFiles:
        return raw_files(self, "pcqm-contact", "pt")

    def read(self, root: Path) -> dict[str, Packed]:
        folder = root / "pcqm-contact" / "raw"
        splits = {split: pack(torch.load(folder / f"{split}.pt", weights_only=True)) for split in SPLITS}
        return {split: graphs if split == "train" else with_candidates(graphs) for split, graphs in splits.items()}


def pack(graphs: list[tuple[Any, ...]]) -> Packed:
    x, edge_attr, edge_index, pairs, labels = zip(*graphs, strict=True)
    packed = Packed.from_tensors(
        torch.tensor([len(value) for value in x]),
        torch.tensor([len(value) for value in edge_attr]),
        torch.cat(edge_index, dim=1),
        node={"x": torch.cat(x)},
        edge={"edge_attr": torch.cat(edge_attr)},
    )
    counts = torch.tensor([value.shape[1] for value in pairs])
    return packed.with_pairs(counts, torch.cat(pairs, dim=1), torch.cat(labels).float()[:, None])


def with_candidates(graphs: Packed) -> Packed:
    """The same graphs with all pairs (h, x) of every node h that has a true one; the others are false."""
    true = graphs.pair["edge_label"][:, 0] == 1
    first = repeat(graphs.ptr[:-1], graphs.pair["ptr"].diff())[true]
    head, tail = graphs.pair["edge_label_index"][:, true]
    heads, row = torch.unique(head + first, return_inverse=True)
    graph = graphs.graph_of_node[heads]
    sizes = graphs.ptr.diff()[graph]
    tails, begin = ranges(torch.zeros_like(sizes), sizes)
    label = torch.zeros(len(tails), 1)
    label[begin[row] + tail] = 1
    counts = torch.zeros(graphs.num_graphs, dtype=torch.long).index_add(0, graph, sizes)
    return graphs.with_pairs(counts, torch.stack([repeat(heads - graphs.ptr[graph], sizes), tails]), label)
