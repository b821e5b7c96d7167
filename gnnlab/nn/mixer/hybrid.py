"""Hybrid graph sequence model: Behrouz et al., "Best of Both Worlds: Advantages of Hybrid Graph Sequence Models"
(GSM++), 2024.

A graph becomes sequences of tokens, a state-space model reads these, and attention follows:

    mixer(x) = Attention(LayerNorm(x + tokens(x))).

The tokens are, with the clusters of `gnnlab.nn.hac` (fine to coarse: c₁(v), c₂(v), …),
    nodes: the nodes by degree;  dfs: the nodes as leaves of the tree of clusters, depth first;
    bfs: for each level a sequence of its clusters, each the mean of its nodes after one step of message passing inside
    it; a node reads its cluster of every level;
    mixture: the two of these that score best for a node, weighted by their scores σ(W x), joined by a linear map.
Shapes: x [N, d].
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gnnlab.batch import Batch
from gnnlab.nn.hac import by_features, depth_first
from gnnlab.nn.linear import Linear
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.mixer.mamba import Mamba, Sequences
from gnnlab.ops import propagate

Tokens = Literal["nodes", "dfs", "bfs", "mixture"]


class Hybrid(nn.Module):
    """Mamba over hierarchical tokens, then attention (GSM++, Behrouz et al. 2024): x [N, dim] to [N, dim]."""

    def __init__(
        self, dim: int, tokens: Tokens = "mixture", levels: int = 3, num_heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.tokens = tokeniser(dim, tokens, levels)
        self.norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads, dropout)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        return self.attention(self.norm(x + self.tokens(x, batch)), batch)


def tokeniser(dim: int, tokens: Tokens, levels: int) -> nn.Module:
    """(x [N, dim], batch) → [N, dim]."""
    if tokens == "mixture":
        return Mixture(dim, levels)
    if tokens == "bfs":
        return BreadthFirst(dim, levels)
    return DepthFirst(dim, levels) if tokens == "dfs" else Mamba(dim)


class Clustered(nn.Module):
    """What reads the clusters of the first `levels` rounds, and the nodes depth first."""

    breaks_ties: ClassVar[bool] = True

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.mamba = Mamba(dim)

    def clusters(self, batch: Batch) -> tuple[list[Tensor], Tensor]:
        levels = batch.once(f"clusters of {self.levels} levels", lambda batch: by_features(batch, self.levels))
        return levels[: self.levels], batch.once("depth_first", lambda batch: depth_first(batch, levels))


class DepthFirst(Clustered):
    """One sequence of all nodes."""

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        order = self.clusters(batch)[1]
        return self.mamba.along(order, x, batch.once("sequences", Sequences.of))


class BreadthFirst(Clustered):
    """One sequence of clusters for each level; the mean over the levels."""

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__(dim, levels)
        self.local = Linear(dim, dim)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        levels, order = self.clusters(batch)
        return torch.stack([self.read(x, level, order, batch) for level in levels]).mean(0)

    def read(self, x: Tensor, level: Tensor, order: Tensor, batch: Batch) -> Tensor:
        source, target = batch.edge_index
        inside = (level[source] == level[target]).to(x.dtype)
        x = x + self.local(propagate(x, batch, "mean", inside)).relu()
        in_order = level[order]
        begins = pad(in_order[1:] != in_order[:-1], (1, 0), value=True)
        before = pad(begins.long().cumsum(0), (1, 0))  # how many clusters begin before each place
        own = torch.empty_like(order).scatter_(0, order, before[1:] - 1)
        ptr, graph = before[batch.ptr], batch.batch[begins]
        place = torch.arange(len(graph), device=x.device) - ptr[graph]
        sequences = Sequences(ptr, place, ptr.diff()[graph] - 1 - place)
        size = torch.bincount(own, minlength=len(graph)).unsqueeze(-1)
        tokens = x.new_zeros(len(graph), x.shape[1]).index_add(0, own, x) / size
        return self.mamba.scan(tokens, sequences)[own]


class Mixture(nn.Module):
    """Two of three for every node."""

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.choices = nn.ModuleList([Mamba(dim), DepthFirst(dim, levels), BreadthFirst(dim, levels)])
        self.router = Linear(dim, len(self.choices))
        self.join = Linear(2 * dim, dim)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        encodings = torch.stack([choice(x, batch) for choice in self.choices], 1)
        score, best = self.router(x).sigmoid().topk(2)
        chosen = encodings.gather(1, best.unsqueeze(-1).expand(-1, -1, x.shape[1]))
        return self.join((score.unsqueeze(-1) * chosen).flatten(1))
