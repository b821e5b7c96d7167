"""Circular skip links (Murphy et al., ICML 2019): regular graphs that message passing cannot tell apart."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gnnlab.datasets.base import Dataset
from gnnlab.packed import Packed
from gnnlab.spec import GraphSpec

NODES, COPIES = 41, 15
SKIPS = (2, 3, 4, 5, 6, 9, 11, 12, 13, 16)


@dataclass(frozen=True)
class CSL(Dataset):
    """150 graphs, generated: 15 randomly renumbered copies of CSL(41, R) for each of 10 skip lengths R.

    CSL(n, R) joins node i of n to i ± 1 and i ± R (mod n). Task: which R, 10 classes; metric accuracy.
    No features. Five folds as in Dwivedi et al. 2023, stratified 3:1:1 (90/30/30): fold f tests copies
    3f … 3f+2 of each class and validates on the next three. Published: 10 % (chance) for every
    message-passing network without positional encodings, 100 % with Laplacian ones.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "undirected")
    num_folds: ClassVar[int] = 5

    fold: int | Literal["all"] = "all"

    def spec(self) -> GraphSpec:
        return GraphSpec("csl", level="graph", target="multiclass", num_targets=len(SKIPS), metric="accuracy")

    def build(self) -> dict[str, Packed]:
        graphs = generate()
        copy = torch.arange(graphs.num_graphs) % COPIES
        part = (copy // 3 - int(self.fold)) % self.num_folds
        chosen = {"train": part >= 2, "val": part == 1, "test": part == 0}
        return {split: graphs.take(of_split.nonzero()[:, 0]) for split, of_split in chosen.items()}


def generate() -> Packed:
    """All 150 graphs, class after class; the renumberings are those of seed 0."""
    generator = torch.Generator().manual_seed(0)
    graphs = [circular_skip_link(skip)[:, None].expand(2, COPIES, -1) for skip in SKIPS]
    renumbering = torch.rand(len(SKIPS) * COPIES, NODES, generator=generator).argsort(1)
    edges = torch.cat(graphs, dim=1)
    edges = torch.stack([renumbering.gather(1, end) for end in edges])
    count = len(renumbering)
    return Packed.from_tensors(
        torch.full((count,), NODES),
        torch.full((count,), edges.shape[2]),
        edges.flatten(1),
        graph={"y": torch.arange(len(SKIPS)).repeat_interleave(COPIES)},
    )


def circular_skip_link(skip: int) -> Tensor:
    """The edges [2, 164] of CSL(41, skip), in both directions."""
    node = torch.arange(NODES)
    forward = torch.stack([node.repeat(2), torch.cat([node + 1, node + skip]) % NODES])
    return torch.cat([forward, forward.flip(0)], dim=1)
