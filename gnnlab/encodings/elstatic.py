"""ElstaticSE: the electrostatic potentials that nodes make at each other, in ten statistics for each node.

As in Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer (NeurIPS 2022), after Kreuzer et al.,
Rethinking Graph Transformers with Spectral Attention (NeurIPS 2021). With L⁺ the pseudo-inverse of D − A:

    V_ij = L⁺_ij − L⁺_jj,  so that −(V_ij + V_ji) is the effective resistance between i and j.

Columns 0 … 3: least, largest, mean and standard deviation of V_ij over i; 4 … 7: the same of V_ji over i; 8 and 9:
sums of (D⁻¹A ⊙ V)_ij and (D⁻¹A ⊙ V)_ji over i. The release has column 1 again in place of 5 (both are 0: no potential
is higher than a node's own), and no finite numbers for an isolated or a single node; here D⁻¹ is 0 there, and a lone
value deviates by 0.
Node attribute `elstatic` [N, 10].
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.bounds import Count
from gnnlab.encodings.dense import adjacency, groups, without_directions
from gnnlab.encodings.laplacian import Laplacian
from gnnlab.encodings.linear import LinearEncoder, Norm
from gnnlab.encodings.spectrum import Spectral, Spectrum
from gnnlab.packed import Packed

ZERO = 1e-8  # below this an eigenvalue counts as zero
STATISTICS = 10


@dataclass(frozen=True)
class Elstatic(Spectral):
    """Statistics of electrostatic potentials (GraphGPS, NeurIPS 2022) → [batch norm →] linear, of width `dim`."""

    laplacian: ClassVar[Laplacian] = "none"
    pairs: ClassVar[None] = None

    dim: Count | None = None
    norm: Norm = "batch"

    def cache_key(self) -> dict:
        return {}

    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        statistics = torch.empty(graphs.num_nodes, STATISTICS)
        for index, nodes, group in groups(graphs, "elstatic"):
            n = nodes.shape[1]
            vectors, values = spectrum.vectors[nodes, :n].double(), spectrum.values[index, None, :n].double()
            inverse = (vectors * torch.where(values > ZERO, 1 / values, 0)) @ vectors.mT
            near = without_directions(adjacency(group))
            near.diagonal(dim1=-2, dim2=-1).zero_()
            statistics[nodes] = _statistics(inverse, near).to(statistics.dtype)
        return {"elstatic": statistics}

    def encoder(self, dim: int) -> nn.Module:
        return LinearEncoder("elstatic", STATISTICS, dim, self.norm)


def _statistics(inverse: Tensor, adjacency: Tensor) -> Tensor:
    """L⁺ and A [g, n, n] to [g, n, 10]."""
    potential = inverse - inverse.diagonal(dim1=-2, dim2=-1)[:, None]
    near = adjacency / adjacency.sum(-1, keepdim=True).clamp(min=1) * potential
    correction = min(1, potential.shape[-1] - 1)
    over_first, over_second = (
        [potential.amin(i), potential.amax(i), potential.mean(i), potential.std(i, correction=correction)]
        for i in (-2, -1)
    )
    return torch.stack([*over_first, *over_second, near.sum(-2), near.sum(-1)], -1)
