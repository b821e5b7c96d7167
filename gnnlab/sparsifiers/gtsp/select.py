"""Some nodes of every graph: which, how the choice is learnt, and the batch that they make by themselves.

Of a graph's n nodes the k = max(1, ⌈r n⌉) of highest score s stay. The choice is learnt by straight-through Gumbel
top-k (Liu et al., "Exploring Sparsity in Graph Transformers", 2024): with y = softmax((s + G) / τ) over the nodes of
the graph and G from Gumbel(0, 1), the mask is 1 for the k largest y, and its gradient is that of y.
Shapes: scores and masks [N].
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.attention import pair_ptr
from gnnlab.ragged import places, pointers

EQUAL = 5
"""Decimals scores are rounded to, so that scores equal but for rounding errors tie."""


def counts(nodes: Tensor, keep: Tensor | float) -> Tensor:
    """k for graphs of these numbers of nodes, int64; 0 for a graph that has none."""
    k = (nodes.double() * keep - 1e-6).ceil().long()
    return torch.minimum(k.clamp(min=1), nodes)


def highest(score: Tensor, batch: Batch, keep: Tensor | float, first_stays: bool = False) -> Tensor:
    """[N] bool: the k nodes of highest score in each graph; of equal ones those of higher in-degree, then the first.

    `first_stays`: the first node of each graph is one of them in any case.
    """
    key = score.detach().round(decimals=EQUAL)
    key = key.index_fill(0, batch.ptr[:-1][batch.ptr.diff() > 0], torch.inf) if first_stays else key
    order = torch.argsort(batch.rowptr.diff(), descending=True, stable=True)
    order = order[torch.argsort(key[order], descending=True, stable=True)]
    order = order[torch.argsort(batch.batch[order], stable=True)]
    chosen = batch.place < counts(batch.ptr.diff(), keep)[batch.batch]
    return torch.zeros_like(chosen).index_copy(0, order, chosen)


def gumbel(score: Tensor) -> Tensor:
    """One draw of Gumbel(0, 1) for each."""
    return -torch.empty_like(score).exponential_().log()


def straight_through(score: Tensor, batch: Batch, hard: Tensor, temperature: Tensor | float) -> Tensor:
    """The mask `hard`, with the gradient of the softmax over each graph."""
    soft = softmax(score / temperature, batch)
    return hard.to(score.dtype) + (soft - soft.detach())


def softmax(score: Tensor, batch: Batch) -> Tensor:
    """Over the nodes of each graph."""
    index, none = batch.batch, score.new_zeros(batch.num_graphs)
    most = none.scatter_reduce(0, index, score.detach(), "amax", include_self=False)
    weight = (score - most[index]).exp()
    return weight / none.index_add(0, index, weight)[index]


class Part(NamedTuple):
    """Chosen nodes: their rows [n], and a batch of them alone, without edges, for attention."""

    rows: Tensor
    batch: Batch

    @classmethod
    def of(cls, chosen: Tensor, batch: Batch) -> "Part":
        rows = chosen.nonzero()[:, 0]
        sizes = torch.bincount(batch.batch[rows], minlength=batch.num_graphs)
        return cls(rows, Batch.without_edges(pointers(sizes), int(sizes.max()) if len(sizes) else 0))

    def pairs(self, whole: Batch) -> Tensor:
        """Which of the pairs of `whole` (`gnnlab.ops.attention`) are pairs of chosen nodes."""
        owner, sizes, place = self.batch.batch, self.batch.ptr.diff(), whole.place[self.rows]
        query, within = places(sizes[owner])
        key = within + self.batch.ptr[owner[query]]
        return (pair_ptr(whole)[owner] + place * whole.ptr.diff()[owner])[query] + place[key]
