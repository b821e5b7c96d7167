"""H2GCN: Zhu et al., "Beyond Homophily in Graph Neural Networks: Current Limitations and Effective Designs", NeurIPS
2020.

Shapes: x [N, d]; P pairs of nodes that a path of two edges joins, made of S such paths. Self-loops are ignored.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.gcn import normalised
from gnnlab.nn.linear import Linear
from gnnlab.ops import propagate
from gnnlab.ragged import pointers


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

    def __init__(self, dim: int, rounds: int = 2) -> None:
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

    `path` [S]: the pair of each path; `first`, `second` [S]: the edges u → w and w → v. `direct` [D], `pair` [D]: the
    edges that are pairs too, and which. With edge weights a, a pair weighs max over its paths of a_uw a_wv, and of that
    the share 1 − a_uv, if above 0: edges of weight 0 are removed, and nodes at distance one are not at distance two.
    """

    pairs: Batch
    path: Tensor
    first: Tensor
    second: Tensor
    direct: Tensor
    pair: Tensor

    @classmethod
    def of(cls, batch: Batch) -> "TwoHops":
        source, target = batch.edge_index
        first, second = two_steps(batch)
        key, path = (target[second] * batch.num_nodes + source[first]).unique(return_inverse=True)
        index = torch.stack([key % batch.num_nodes, key // batch.num_nodes])
        pairs, _ = Batch.from_edges(index, batch.num_nodes)  # it sorts by the same key, so edge p is key p
        edge = target * batch.num_nodes + source
        direct = torch.isin(edge, key).nonzero()[:, 0]
        return cls(pairs, path, first, second, direct, torch.searchsorted(key, edge[direct]))

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
        by_edge = nothing.scatter_reduce(0, self.pair, weight[self.direct], "amax")
        far = by_path * (1 - by_edge).clamp(min=0)
        return normalised(batch, weight, dtype, False)[0], normalised(self.pairs, far, dtype, False)[0]


def two_steps(batch: Batch) -> tuple[Tensor, Tensor]:
    """[S] each: the edges u → w and w → v of all paths of two edges between three nodes, in the order of the second."""
    source, target = batch.edge_index
    loop = source == target
    # Before each second edge w → v, each edge into w once: these lie together, `count` of them from rowptr[w] on.
    count = batch.rowptr.diff()[source]
    second = torch.repeat_interleave(torch.arange(len(source), device=count.device), count)
    number = torch.arange(len(second), device=count.device) - pointers(count)[second]
    first = batch.rowptr[source[second]] + number
    three = (source[first] != target[second]) & ~loop[first] & ~loop[second]
    return first[three], second[three]
