"""RWSE: the probability that a random walk is back where it began after 1 … `steps` steps.

Dwivedi et al., Graph Neural Networks with Learnable Structural and Positional Representations (2022),
in the form of Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer (2022):

    rwse[i] = (P_ii, (P²)_ii, …, (Pᵏ)_ii),  P = D⁻¹A,  A [i, j] the number of edges i → j,  D its row sums.

Edges are followed as given: on a directed graph D is the out-degree, parallel edges make a step likelier,
a self-loop is a step that stays. The walk ends at a node without an edge out: its row of P is zero.
Node attribute `rwse` [N, steps].
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from torch import Tensor, nn

from gnnlab.bounds import Count
from gnnlab.encodings.base import Encoding
from gnnlab.encodings.dense import by_size
from gnnlab.encodings.linear import LinearEncoder, Norm
from gnnlab.ops.return_probabilities import is_fused, return_probabilities
from gnnlab.packed import Packed

COLUMN_ELEMENTS = 1 << 20  # of a block of columns of Pᵏ of a large graph


@dataclass(frozen=True)
class RWSE(Encoding):
    """Return probabilities of `steps` steps → [batch norm →] linear layer of width `dim`.

    GraphGPS normalises (`norm="batch"`), LSPE does not.
    """

    steps: Count = 20
    dim: Count | None = None
    norm: Norm = "batch"

    def cache_key(self) -> dict:
        return {"steps": self.steps}

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        if is_fused():
            return {"rwse": return_probabilities(graphs, self.steps)}
        return {"rwse": by_size(graphs, self.steps, self._dense, self._sparse, "rwse")}

    def encoder(self, dim: int) -> nn.Module:
        return LinearEncoder("rwse", self.steps, dim, self.norm)

    def _dense(self, adjacency: Tensor) -> Tensor:
        """diag P^(a+bm) = Σ_j (P^a)_ij (P^bm)_ji, so that powers 1 … m and multiples of m suffice, m² ≈ steps."""
        walk = adjacency / adjacency.sum(-1, keepdim=True).clamp(min=1)
        stride = isqrt(self.steps)
        powers = [walk]
        for _ in range(stride - 1):
            powers.append(powers[-1] @ walk)
        leap = torch.eye(walk.shape[-1]).expand_as(walk)
        returns = []
        for _ in range(0, self.steps, stride):
            returns += [(power * leap).sum(-1) for power in powers]
            leap = powers[-1].mT @ leap
        return torch.stack(returns[: self.steps], -1)

    def _sparse(self, adjacency: csr_array) -> Tensor:
        degree = np.asarray(adjacency.sum(1)).clip(min=1)
        walk, n = diags_array(1 / degree) @ adjacency, len(degree)
        returns = np.empty((n, self.steps), np.float32)
        block = max(1, COLUMN_ELEMENTS // n)
        for first in range(0, n, block):
            nodes = np.arange(first, min(first + block, n))
            power = (np.arange(n)[:, None] == nodes).astype(np.float32)
            for step in range(self.steps):
                power = walk @ power
                returns[nodes, step] = power[nodes, nodes - first]
        return torch.from_numpy(returns)
