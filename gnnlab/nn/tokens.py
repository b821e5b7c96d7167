"""The tokens of GSM++: Behrouz et al., "Best of Both Worlds: Advantages of Hybrid Graph Sequence Models", 2024.

A graph becomes sequences of tokens that a state-space model reads. With the clusters of `gnnlab.nn.hac` (fine to
coarse: c₁(v), c₂(v), …) these are
    nodes: the nodes by degree;  dfs: the nodes as leaves of the tree of clusters, depth first;
    bfs: for each level a sequence of its clusters, each the mean of its nodes after one step of message passing inside
    it; a node reads the mean over its clusters of all levels;
    mixture: for each node the two of these with the highest scores σ(W x), weighted by them and joined by a linear map.
    So that none is left out, training raises the offset of those that fewer nodes choose (Wang et al., "Auxiliary-Loss-
    Free Load Balancing Strategy for Mixture-of-Experts", 2024).
Shapes: x [N, d].
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.hac import Clusters, by_features, depth_first
from gnnlab.nn.mixer.mamba import Mamba, Sequences
from gnnlab.ops import propagate
from gnnlab.ops.linear import Linear
from gnnlab.ops.recorded.tape import Foreign, recording

BALANCE = 1e-3
"""By how much a training step raises or lowers a tokeniser's offset."""

Tokens = Literal["nodes", "dfs", "bfs", "mixture"]


def tokeniser(dim: int, tokens: Tokens, levels: int) -> nn.Module:
    """(x [N, dim], batch) → [N, dim]."""
    if tokens == "mixture":
        return Mixture(dim, levels)
    if tokens == "bfs":
        return BreadthFirst(dim, levels)
    return DepthFirst(dim, levels) if tokens == "dfs" else Mamba(dim)


class Clustered(nn.Module):
    """A tokeniser made from the clusters of the first `levels` rounds."""

    breaks_ties: ClassVar[bool] = True

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.mamba = Mamba(dim)


def clusters(batch: Batch, count: int) -> tuple[list[Tensor], Tensor]:
    """The clusters [N] of each node after the first rounds, `count` of them, and the nodes depth first [N]."""
    levels = batch.once(f"clusters of {count} levels", lambda batch: by_features(batch, count))
    return levels[:count], batch.once("depth_first", lambda batch: depth_first(batch, levels))


class DepthFirst(Clustered):
    """One sequence of all nodes."""

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        order = clusters(batch, self.levels)[1]
        return self.mamba.along(order, x, batch.once("sequences", Sequences.of))


class BreadthFirst(Clustered):
    """One sequence of clusters for each level; the mean over the levels."""

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__(dim, levels)
        self.local = Linear(dim, dim)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        levels, order = clusters(batch, self.levels)
        return torch.stack([self.read(x, level, order, batch) for level in levels]).mean(0)

    def read(self, x: Tensor, level: Tensor, order: Tensor, batch: Batch) -> Tensor:
        source, target = batch.edge_index
        inside = (level[source] == level[target]).to(x.dtype)
        x = x + self.local(propagate(x, batch, "mean", inside)).relu()
        own, ptr, graph = Clusters.of(batch, level, order)
        place = torch.arange(len(graph), device=x.device) - ptr[graph]
        sequences = Sequences(ptr, place, ptr.diff()[graph] - 1 - place)
        size = torch.bincount(own, minlength=len(graph)).unsqueeze(-1)
        tokens = x.new_zeros(len(graph), x.shape[1]).index_add(0, own, x) / size
        return self.mamba.scan(tokens, sequences)[own]


class Mixture(nn.Module):
    """For every node, the two of three tokenisers with the highest score + `offset` [3]."""

    own_init: ClassVar[tuple[str, ...]] = ("router",)

    offset: Tensor

    def __init__(self, dim: int, levels: int) -> None:
        super().__init__()
        self.choices = nn.ModuleList([Mamba(dim), DepthFirst(dim, levels), BreadthFirst(dim, levels)])
        self.router = Linear(dim, len(self.choices))
        self.join = Linear(2 * dim, dim)
        self.register_buffer("offset", torch.zeros(len(self.choices)))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        encodings, score = torch.stack([choice(x, batch) for choice in self.choices], 1), self.router(x).sigmoid()
        best = (score + self.offset).topk(2)[1]
        if self.training:
            self.balance(best, batch.real.num_nodes)
        chosen = encodings.gather(1, best.unsqueeze(-1).expand(-1, -1, x.shape[1]))
        return self.join((score.gather(1, best).unsqueeze(-1) * chosen).flatten(1))

    def balance(self, best: Tensor, rows: Tensor | None) -> None:
        """Favour the tokenisers that fewer nodes chose: `best` [N, 2], of which the first `rows` [1] are real."""
        if recording() is not None:
            raise Foreign
        real = torch.ones_like(best[:, 0]) if rows is None else torch.arange(len(best), device=best.device) < rows
        load = torch.zeros_like(self.offset).index_add(
            0, best.flatten(), real.repeat_interleave(2).to(self.offset.dtype)
        )
        self.offset += BALANCE * (load.mean() - load).sign()
