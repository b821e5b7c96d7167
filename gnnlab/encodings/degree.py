"""Degree encoding: a learnt vector for each in-degree and each out-degree.

The centrality encoding of Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer),
NeurIPS 2021. Edges are counted as given; node attribute `degree` [N, 2], in and out. Graphormer adds the vectors to
the node features; whether a model adds or joins them is its own choice.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings.base import Encoding
from gnnlab.errors import UsageError
from gnnlab.packed import Packed


@dataclass(frozen=True)
class Degree(Encoding):
    """In- and out-degree, each clamped at `largest` → a vector of width `dim`; their sum (Graphormer, NeurIPS 2021)."""

    gives: ClassVar[tuple[str, ...]] = ("degree",)

    largest: int = 64
    dim: int | None = None

    def __post_init__(self) -> None:
        if self.largest < 1:
            raise UsageError(f"encoding.degree.largest={self.largest} must be at least 1.")

    def cache_key(self) -> dict:
        return {}

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        return {"degree": torch.stack([graphs.rowptr.diff(), graphs.colptr.diff()], 1).float()}

    def encoder(self, dim: int) -> nn.Module:
        return DegreeEncoder(self.largest, dim)


class DegreeEncoder(nn.Module):
    """Batch with `degree` [N, 2] → [N, dim]; degrees above `largest` share its vector."""

    def __init__(self, largest: int, dim: int) -> None:
        super().__init__()
        self.largest = largest
        self.of_in = nn.Embedding(largest + 1, dim)
        self.of_out = nn.Embedding(largest + 1, dim)

    def forward(self, batch: Batch) -> Tensor:
        degrees = batch.node["degree"].long().clamp(max=self.largest)
        return self.of_in(degrees[:, 0]) + self.of_out(degrees[:, 1])
