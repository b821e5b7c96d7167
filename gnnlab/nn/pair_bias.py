"""What Graphormer adds to the scores of attention: Ying et al., "Do Transformers Really Perform Bad for Graph
Representation?", NeurIPS 2021.

For nodes i, j of a graph at distance φ, with b[φ] [H], W_n [H, H], and x_n [H] the embedded n-th edge on a shortest
path from i to j (the mean over its columns, where its features are categorical):

    b_ij = b[φ] + 1/L Σ_{n ≤ L} x_n W_n,   L = min(φ, `path`).

Pairs farther apart than `max_distance` have no edge term. Of several shortest paths the paper takes any, which depends
on the numbering of the nodes; here it is the mean over all of them. Edges are followed as given.
Shapes: b [P, H] for the P pairs of `gnnlab.ops.attention`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings.columns import node_pairs
from gnnlab.encodings.spd import distances
from gnnlab.nn.embedding import FeatureEmbedding
from gnnlab.spec import GraphSpec


class Paths(NamedTuple):
    """All shortest paths up to some length, step by step: S steps from a pair (i, j) to (k, j), k one nearer to j.

    `distance` [P]; `pair`, `nearer` [S] rows of P; `edge` [S]; `share` [S] of the paths from i to j that go by k.
    """

    distance: Tensor
    pair: Tensor
    nearer: Tensor
    edge: Tensor
    share: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Values [S, H] of the steps, averaged over the paths that begin with them: [P, H]."""
        weighted = self.share.to(values.dtype)[:, None] * values
        return values.new_zeros(len(self.distance), values.shape[1]).index_add(0, self.pair, weighted)


def shortest_paths(batch: Batch, max_distance: int) -> Paths:
    """Those of at most `max_distance` edges; the distance of other pairs is `max_distance` + 1."""
    pairs, distance = node_pairs(batch), distances(batch, max_distance)
    pair, nearer = pairs.edge_index
    ahead = (distance[pair] == distance[nearer] + 1) & (distance[pair] <= max_distance)
    step = torch.arange(pairs.num_edges, device=pair.device) - pairs.rowptr[nearer]
    edge = (batch.rowptr[pairs.batch[nearer]] + step)[ahead]
    pair, nearer = pair[ahead], nearer[ahead]
    here = (distance == 0).double()
    count = here
    for _ in range(int(distance.where(distance <= max_distance, 0).max()) if len(distance) else 0):
        count = here.index_add(0, pair, count[nearer])
    return Paths(distance, pair, nearer, edge, count[nearer] / count[pair])


class PairBias(nn.Module):
    """Batch to b [P, H]; `max_distance`: distances above share one entry; `path`: the edges looked at on a path."""

    static_shapes = False

    def __init__(self, spec: GraphSpec, num_heads: int, max_distance: int, path: int) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.distance = nn.Embedding(max_distance + 2, num_heads)
        nn.init.normal_(self.distance.weight, std=0.02)
        self.edges = None
        if path and spec.edge.kind != "none":
            self.edges = FeatureEmbedding(spec.edge, num_heads)
            self.columns = len(spec.edge.sizes)
            if spec.edge.kind == "categorical":
                nn.init.normal_(self.edges.table.weight, std=0.02)
            self.places = nn.Parameter(0.02 * torch.randn(path, num_heads, num_heads))

    def forward(self, batch: Batch) -> Tensor:
        farthest = self.max_distance
        paths = batch.once(f"shortest paths, {farthest}", lambda batch: shortest_paths(batch, farthest))
        bias = self.distance(paths.distance)
        if self.edges is None:
            return bias
        edges = self.edges(batch.edge_attr, batch.num_edges) / self.columns
        first = paths.mean(edges[paths.edge])
        total = torch.zeros_like(first)
        for place in self.places.flip(0):  # W₁, then W₂ of what comes one step later, and so on
            total = first @ place + paths.mean(total[paths.nearer])
        return bias + total / paths.distance.clamp(1, len(self.places))[:, None]
