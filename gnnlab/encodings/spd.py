"""SPD: shortest-path distances of pairs of nodes; as a node encoding, how many nodes lie how far away.

Distances as in Ying et al., "Do Transformers Really Perform Bad for Graph Representation?" (Graphormer), NeurIPS 2021;
counts of them as in Li et al., "Distance Encoding: Design Provably More Powerful Neural Networks for Graph
Representation Learning", NeurIPS 2020. Edges are followed as given.

Node attribute `spd` [N, K + 1]: the share of its graph's nodes that i reaches in exactly 1, 2, … K steps, and the
share that takes more or is out of reach. `distances` has all pairs of a batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.base import Encoding
from gnnlab.encodings.columns import node_pairs
from gnnlab.encodings.dense import by_size
from gnnlab.encodings.linear import LinearEncoder, Norm
from gnnlab.packed import Packed

COLUMN_ELEMENTS = 1 << 20  # of a block of columns of a large graph


@dataclass(frozen=True)
class SPD(Encoding):
    """Shares of nodes at distances 1 … `max_distance` (DE, NeurIPS 2020) → [batch norm →] linear, of width `dim`."""

    max_distance: Count = 10
    dim: Count | None = None
    norm: Norm = "batch"

    def cache_key(self) -> dict:
        return {"max_distance": self.max_distance}

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        return {"spd": by_size(graphs, self.max_distance + 1, self._dense, self._sparse, "spd")}

    def encoder(self, dim: int) -> nn.Module:
        return LinearEncoder("spd", self.max_distance + 1, dim, self.norm)

    def _dense(self, adjacency: Tensor) -> Tensor:
        n = adjacency.shape[-1]
        within, reached = torch.eye(n).expand_as(adjacency), [torch.ones(adjacency.shape[:2])]
        for _ in range(self.max_distance):
            within = ((within + within @ adjacency) > 0).float()
            reached.append(within.sum(-1))
        return _shares(torch.stack(reached, -1), n)

    def _sparse(self, adjacency: csr_array) -> Tensor:
        n = len(adjacency.indptr) - 1
        reached = np.ones((n, self.max_distance + 1), np.float32)
        step, block = csr_array(adjacency.T), max(1, COLUMN_ELEMENTS // n)
        for first in range(0, n, block):
            nodes = np.arange(first, min(first + block, n))
            within = (np.arange(n)[:, None] == nodes).astype(np.float32)
            for distance in range(1, self.max_distance + 1):
                within = ((within + step @ within) > 0).astype(np.float32)
                reached[nodes, distance] = within.sum(0)
        return _shares(torch.from_numpy(reached), n)


def _shares(reached: Tensor, n: int) -> Tensor:
    """Nodes within 0, 1, … K steps [..., K + 1] to the shares in exactly 1, … K and beyond."""
    return torch.cat([reached.diff(dim=-1), n - reached[..., -1:]], -1) / n


def distances(batch: Batch, max_distance: int) -> Tensor:
    """Steps from i to j, for the pairs (i, j) as in `node_pairs`: [P] int64; beyond that `max_distance` + 1."""
    pairs = node_pairs(batch)
    source, target = pairs.edge_index
    here = batch.place[pairs.batch] == pairs.node["column"]
    found, within = torch.where(here, 0, max_distance + 1), here.float()
    for distance in range(1, max_distance + 1):
        within = within.index_add(0, source, within[target]).clamp(max=1)
        found = torch.where((within > 0) & (found > distance), distance, found)
    return found
