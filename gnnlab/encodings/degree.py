"""Degree encoding: a learnt vector for each in-degree and each out-degree.

The centrality encoding of Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer),
NeurIPS 2021. Edges are counted as given; node attribute `degree` [N, 2], in and out. Graphormer adds the vectors to
the node features; whether a model adds or joins them is its own choice.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.base import Encoding
from gnnlab.packed import Packed


@dataclass(frozen=True)
class Degree(Encoding):
    """In- and out-degree, each at most `max_degree` → a vector of width `dim`; their sum (Graphormer, NeurIPS 2021)."""

    max_degree: Count = 64
    dim: Count | None = None

    def cache_key(self) -> dict:
        return {}

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        return {"degree": torch.stack([graphs.rowptr.diff(), graphs.colptr.diff()], 1).float()}

    def encoder(self, dim: int) -> nn.Module:
        return DegreeEncoder(self.max_degree, dim)


class DegreeEncoder(nn.Module):
    """Batch with `degree` [N, 2] → [N, dim]; degrees above `max_degree` share its vector."""

    def __init__(self, max_degree: int, dim: int) -> None:
        super().__init__()
        self.max_degree = max_degree
        self.of_in = nn.Embedding(max_degree + 1, dim)
        self.of_out = nn.Embedding(max_degree + 1, dim)

    def forward(self, batch: Batch) -> Tensor:
        degrees = batch.node["degree"].long().clamp(max=self.max_degree)
        return self.of_in(degrees[:, 0]) + self.of_out(degrees[:, 1])
