"""H2GCN: Zhu et al., "Beyond Homophily in Graph Neural Networks: Current Limitations and Effective Designs", NeurIPS
2020.

Shapes: x [N, d]; P pairs of nodes that a path of two edges joins, made of S such paths. Self-loops are ignored.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.gcn import normalised
from gnnlab.ops import propagate
from gnnlab.ops.linear import Linear
from gnnlab.ragged import edge_key, places


class H2GCN(Conv):
    """H2GCN (Zhu et al. 2020): a node, its neighbours and those two steps away, never mixed before a last linear map.

    r⁰ = x, r^k = [Â₁ r^{k-1} ‖ Â₂ r^{k-1}], x' = W [r⁰ ‖ … ‖ r^K] + b with K = `rounds`, A_i joining the nodes at
    distance i and Â_i = D_i^{-1/2} A_i D_i^{-1/2}. Edge weights: see `TwoHops`.

    `model=h2gcn`, one layer without norm and residual, is nearly the paper's network. That has ReLU after the
    embedding, dropout on r⁰ ‖ … ‖ r^K, W as its classifier, and no biases; here the block's ReLU and dropout and the
    head's map come after W. Layers of one round with `model/head=jumping` keep every round too, each already mixed by
    its W.
    """

    static_shapes: ClassVar[bool] = False  # how many nodes are two steps away depends on the batch's values

    def __init__(self, dim: int, rounds: Count = 2) -> None:
        super().__init__()
        self.rounds = rounds
        self.linear = Linear((2 ** (rounds + 1) - 1) * dim, dim)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        hops = batch.once("two hops", TwoHops.of)
        near, far = hops.weights(batch, edge_weight, x.dtype)
        states = [x]
        for _ in range(self.rounds):
            around = propagate(states[-1], batch, edge_weight=near), propagate(states[-1], hops.pairs, edge_weight=far)
            states.append(torch.cat(around, dim=-1))
        return self.linear(torch.cat(states, dim=-1)), e


class TwoHops(NamedTuple):
    """`pairs`: a batch whose P edges u → v are the pairs u ≠ v with paths u → w → v, w neither.

    `path` [S]: the pair of each path; `first`, `second` [S]: the edges u → w and w → v. `edge_of_pair`, `pair`
    [D]: the edges u → v that are pairs too, and the pair of each. Without edge weights a pair weighs 1, or 0 where
    it is an edge: A₂. With weights a it weighs max_w(a_uw a_wv) · max(0, 1 − a_uv): an edge of weight 0 is none.
    """

    pairs: Batch
    path: Tensor
    first: Tensor
    second: Tensor
    edge_of_pair: Tensor
    pair: Tensor

    @classmethod
    def of(cls, batch: Batch) -> "TwoHops":
        source, target = batch.edge_index
        first, second = two_steps(batch)
        key, path = edge_key(source[first], target[second], batch.num_nodes).unique(return_inverse=True)
        index = torch.stack([key % batch.num_nodes, key // batch.num_nodes])
        pairs, _ = Batch.from_edges(index, batch.num_nodes)  # it sorts by the same key, so edge p is key p
        edge = edge_key(source, target, batch.num_nodes)
        edge_of_pair = torch.isin(edge, key).nonzero()[:, 0]
        return cls(pairs, path, first, second, edge_of_pair, torch.searchsorted(key, edge[edge_of_pair]))

    def weights(self, batch: Batch, edge_weight: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The entries [E] of Â₁ and [P] of Â₂."""
        if edge_weight is None:
            return batch.once(f"h2gcn, {dtype}", lambda batch: self._weights(batch, None, dtype))
        return self._weights(batch, edge_weight, dtype)

    def _weights(self, batch: Batch, edge_weight: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        source, target = batch.edge_index
        weight = torch.ones(len(source), dtype=dtype, device=source.device) if edge_weight is None else edge_weight
        weight = weight.where(source != target, 0.0)
        nothing = weight.new_zeros(self.pairs.num_edges)
        by_path = nothing.scatter_reduce(0, self.path, weight[self.first] * weight[self.second], "amax")
        by_edge = nothing.scatter_reduce(0, self.pair, weight[self.edge_of_pair], "amax")
        far = by_path * (1 - by_edge).clamp(min=0)
        return normalised(batch, weight, dtype, self_loops=False)[0], normalised(
            self.pairs, far, dtype, self_loops=False
        )[0]


def two_steps(batch: Batch) -> tuple[Tensor, Tensor]:
    """[S] each: the edges u → w and w → v of all paths of two edges between three nodes, in the order of the second."""
    source, target = batch.edge_index
    loop = source == target
    # Before each second edge w → v, each edge into w once: these lie together, `count` of them from rowptr[w] on.
    count = batch.rowptr.diff()[source]
    second, place = places(count)
    first = batch.rowptr[source[second]] + place
    distinct = (source[first] != target[second]) & ~loop[first] & ~loop[second]
    return first[distinct], second[distinct]
