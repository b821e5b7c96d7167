"""SignNet: Lim et al., "Sign and Basis Invariant Networks for Spectral Graph Representation Learning", ICLR 2023.

    ρ( [φ(v_k) + φ(−v_k)]_k ),  φ a GIN on each of the first K eigenvectors by itself,

in the two forms of GraphGPS (Rampášek et al., NeurIPS 2022), but with each MLP's norm before its ReLU and ε learnt. It
does not depend on the signs of eigenvectors, but does on the choice of basis where an eigenvalue repeats. Node
attribute `signnet_vec` [N, K]; a graph of n < K nodes has zeros in the last K − n columns. φ never runs on those: `mlp`
gives ρ zeros for them, `deepset` leaves them out of the sum.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.columns import columns
from gnnlab.encodings.laplacian import Laplacian
from gnnlab.encodings.networks import DeepGIN, NormedMLP
from gnnlab.encodings.spectrum import Spectral, Spectrum
from gnnlab.ops import pool
from gnnlab.packed import Packed


@dataclass(frozen=True)
class SignNet(Spectral):
    """SignNet (Lim et al., ICLR 2023): `k` eigenvectors → GIN of `layers` of width `hidden` → ρ of `net` → `dim`.

    `net`: "mlp" (φ gives 4 numbers for each vector, ρ reads all K · 4 of them) or "deepset" (φ gives `hidden`, ρ reads
    their sum over the vectors).
    """

    ambiguous_basis: ClassVar[bool] = True

    k: Count = 8
    dim: Count | None = None
    laplacian: Laplacian = "none"
    net: Literal["mlp", "deepset"] = "mlp"
    layers: Count = 8
    hidden: Count = 64

    def cache_key(self) -> dict:
        return {"k": self.k, "laplacian": self.laplacian}

    @property
    def pairs(self) -> int:
        return self.k + 1

    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        """Warns how many graphs lose a part of an eigenspace."""
        spectrum.warn_of_cuts(self.k, graphs, f"SignNet(k={self.k})")
        return {"signnet_vec": spectrum.first(self.k)[0].contiguous()}

    def encoder(self, dim: int) -> nn.Module:
        return SignNetEncoder(self, dim)


class SignNetEncoder(nn.Module):
    """Batch with `signnet_vec` [N, K] → [N, dim].

    v and −v pass through φ side by side, so that batch norms see both and no sign shows in training either.
    """

    static_shapes: ClassVar[bool] = False  # how many rows there are depends on the batch's values

    def __init__(self, signnet: SignNet, dim: int) -> None:
        super().__init__()
        k, hidden = signnet.k, signnet.hidden
        self.deepset = signnet.net == "deepset"
        self.out = hidden if self.deepset else 4
        self.phi = DeepGIN(1, hidden, self.out, signnet.layers, depth=2, between=True)
        self.rho = NormedMLP(hidden, hidden, hidden, dim) if self.deepset else NormedMLP(4 * k, hidden, dim)

    @torch.compiler.disable
    def forward(self, batch: Batch) -> Tensor:
        vectors = batch.node["signnet_vec"]
        count = batch.ptr.diff().clamp(max=vectors.shape[1])
        rows = columns(batch, 2 * count)  # v_1 … v_c, −v_1 … −v_c
        own = count[batch.batch][rows.batch]
        column = rows.node["column"] % own.clamp(min=1)
        sign = torch.where(rows.node["column"] < own, 1, -1)
        h = self.phi((vectors[rows.batch, column] * sign)[:, None], rows)
        if self.deepset:
            return self.rho(pool(h, rows, "sum"), batch.real.num_nodes)
        of_vector = h.new_zeros(vectors.numel(), self.out)
        of_vector = of_vector.index_add(0, rows.batch * vectors.shape[1] + column, h)
        return self.rho(of_vector.view(len(vectors), -1), batch.real.num_nodes)
