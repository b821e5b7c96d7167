"""GSM++'s hierarchical positional encoding (Behrouz et al., 2024): how far apart the clusters of two nodes are.

For nodes i, j of a graph, b_ij = Σ_ℓ t_ℓ[d_ℓ(c_ℓ(i), c_ℓ(j))] with t_ℓ a learnt table of rows [H], c_ℓ(i) the cluster
of i after ℓ rounds (`gnnlab.nn.hac`), c_0(i) = i, and d_ℓ the distance in the graph of these clusters. Shapes: b [P, H]
for the P pairs of `gnnlab.ops.attention`.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings.columns import node_pairs
from gnnlab.encodings.spd import distances
from gnnlab.nn.hac import Clusters


class ClusterBias(nn.Module):
    """(batch, clusters [N] of each level, nodes depth first [N]) to b; distances above `max_distance` share a row."""

    static_shapes: ClassVar[bool] = False  # how many clusters and pairs there are depends on the batch's values

    def __init__(self, num_heads: int, levels: int, max_distance: int) -> None:
        super().__init__()
        self.max_distance = max_distance
        tables = [nn.Embedding(max_distance + 2, num_heads) for _ in range(levels + 1)]
        for table in tables:
            nn.init.normal_(table.weight, std=0.02)
        self.tables = nn.ModuleList(tables)

    def forward(self, batch: Batch, levels: list[Tensor], order: Tensor) -> Tensor:
        name = f"cluster distances, {len(levels)}, {self.max_distance}"
        found = batch.once(name, lambda batch: cluster_distances(batch, levels, order, self.max_distance))
        return torch.stack([table(distance) for table, distance in zip(self.tables, found, strict=True)]).sum(0)


def cluster_distances(batch: Batch, levels: list[Tensor], order: Tensor, max_distance: int) -> tuple[Tensor, ...]:
    """[P]: how far apart the nodes of each pair are, then their clusters of each level; at most `max_distance` + 1."""
    pairs = node_pairs(batch)
    one, other = pairs.batch, batch.ptr[batch.batch[pairs.batch]] + pairs.node["column"]
    found = [distances(batch, max_distance)]
    for level in levels:
        clusters = Clusters.of(batch, level, order)
        contracted = clusters.contract(batch)
        column = clusters.own[other] - clusters.ptr[batch.batch[other]]
        found.append(distances(contracted, max_distance)[node_pairs(contracted).ptr[clusters.own[one]] + column])
    return tuple(found)
