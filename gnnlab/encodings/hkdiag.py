"""HKdiagSE: the diagonal of the heat kernel at several times, without its constant mode.

As in Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer (NeurIPS 2022), after Kreuzer et al.,
Rethinking Graph Transformers with Spectral Attention (NeurIPS 2021). With the eigenpairs of D − A:

    hkdiag[i, t] = Σ_{λ_k > 0} exp(−t λ_k) v_ik²,  t = 1 … `times`.

Each component's zero eigenvalue is left out: the sum goes to 0 with t, and is 0 at an isolated node. It is the same
for every basis of an eigenspace. Node attribute `hkdiag` [N, times].
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.bounds import Count
from gnnlab.encodings.laplacian import Laplacian
from gnnlab.encodings.linear import LinearEncoder, Norm
from gnnlab.encodings.spectrum import Spectral, Spectrum
from gnnlab.packed import Packed

ZERO = 1e-8  # below this an eigenvalue counts as zero
ROW_ELEMENTS = 1 << 22


@dataclass(frozen=True)
class HKdiag(Spectral):
    """Heat-kernel diagonals at times 1 … `times` (GraphGPS, NeurIPS 2022) → [batch norm →] linear, of width `dim`."""

    laplacian: ClassVar[Laplacian] = "none"
    pairs: ClassVar[None] = None

    times: Count = 20
    dim: Count | None = None
    norm: Norm = "batch"

    def cache_key(self) -> dict:
        return {"times": self.times}

    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        owner = graphs.graph_of_node
        heat = torch.empty(graphs.num_nodes, self.times)
        for rows in torch.arange(graphs.num_nodes).split(ROW_ELEMENTS // max(1, spectrum.vectors.shape[1])):
            values = spectrum.values[owner[rows]]
            weights = spectrum.vectors[rows].square() * (values > ZERO)
            for t in range(self.times):
                heat[rows, t] = (weights * (-values * (t + 1)).exp()).sum(1)
        return {"hkdiag": heat}

    def encoder(self, dim: int) -> nn.Module:
        return LinearEncoder("hkdiag", self.times, dim, self.norm)
