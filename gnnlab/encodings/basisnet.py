"""BasisNet: Lim et al., "Sign and Basis Invariant Networks for Spectral Graph Representation Learning", ICLR 2023.

    ρ( [φ(n V_s V_sᵀ)]_s )  for the eigenspaces s of the Laplacian among the first K eigenpairs,

V_s an orthonormal basis of s, so V_s V_sᵀ depends on no sign and no basis. φ is an IGN (Maron et al., "Invariant and
Equivariant Graph Networks", ICLR 2019), from matrices of pairs of nodes to vectors of nodes, and knows the eigenvalue
and its multiplicity (the authors take another φ for each multiplicity). With the row means r of a symmetric h, its
diagonal d, the mean t of that and its own mean u, a layer is any equivariant map:

    h'_ij = ReLU(W h_ij + A n_i + A n_j + [i = j] B n_i),   n_i = r_i ‖ d_i ‖ t ‖ u;   in the end ReLU(C n_i).

Node attributes `basisnet_vec` [N, K] and `basisnet_val` [N, K], each node's copy of its graph's eigenvalues, equal
within an eigenspace. Where K would cut one, a graph keeps those below; columns that it lacks hold zeros and −1.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.columns import node_pairs
from gnnlab.encodings.laplacian import Laplacian
from gnnlab.encodings.networks import NormedMLP
from gnnlab.encodings.spectrum import Spectral, Spectrum
from gnnlab.ops import pool
from gnnlab.ops.linear import Linear
from gnnlab.packed import Packed


@dataclass(frozen=True)
class BasisNet(Spectral):
    """BasisNet (Lim et al., ICLR 2023): eigenspaces of `k` eigenpairs → IGN of `layers` of width `hidden` → `dim`."""

    ambiguous_basis: ClassVar[bool] = True
    orthonormal: ClassVar[bool] = True

    k: Count = 8
    dim: Count | None = None
    laplacian: Laplacian = "sym"
    layers: Count = 2
    hidden: Count = 8

    def cache_key(self) -> dict:
        return {"k": self.k, "laplacian": self.laplacian}

    @property
    def pairs(self) -> int:
        return self.k + 1

    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        vectors, values = spectrum.first_whole(self.k, graphs)
        last = spectrum.gaps(self.k)  # of its eigenspace
        space = last.cumsum(1) - last.long()
        first = torch.full_like(values, torch.inf).scatter_reduce(1, space, values, "amin").gather(1, space)
        values = first.where(values.isfinite(), -1)[graphs.graph_of_node]
        return {"basisnet_vec": vectors, "basisnet_val": values}

    def encoder(self, dim: int) -> nn.Module:
        return BasisNetEncoder(self, dim)


class BasisNetEncoder(nn.Module):
    """Batch with `basisnet_vec`, `basisnet_val` [N, K] → [N, dim]."""

    static_shapes: ClassVar[bool] = False  # how many pairs of nodes there are depends on the batch's values

    def __init__(self, basisnet: BasisNet, dim: int) -> None:
        super().__init__()
        hidden = basisnet.hidden
        self.start = Linear(3, hidden)
        self.layers = nn.ModuleList(IGNLayer(hidden) for _ in range(basisnet.layers))
        self.last = Linear(4 * hidden, hidden)
        self.rho = NormedMLP(basisnet.k * hidden, hidden, dim)

    @torch.compiler.disable
    def forward(self, batch: Batch) -> Tensor:
        vectors, pairs = batch.node["basisnet_vec"], node_pairs(batch)
        ends = pairs.batch, batch.ptr[batch.batch[pairs.batch]] + pairs.node["column"]
        space, about = spaces(batch.node["basisnet_val"])
        size = batch.ptr.diff()[batch.batch[ends[0]]].to(vectors.dtype).unsqueeze(-1)
        products = size * vectors[ends[0]] * vectors[ends[1]]
        projections = torch.zeros_like(products).scatter_add(1, space[ends[0]], products)
        h = self.start(torch.cat([projections.unsqueeze(-1), about[ends[0]]], -1)).relu()
        for layer in self.layers:
            h = layer(h, batch, ends)
        there = about[..., 1:] > 0
        return self.rho((self.last(contract(h, batch)).relu() * there).flatten(1), batch.real.num_nodes)


def spaces(values: Tensor) -> tuple[Tensor, Tensor]:
    """Which of its graph's eigenspaces each column [N, K] belongs to; eigenvalue and multiplicity of each [N, K, 2].

    A graph of fewer than K spaces has zeros for the rest, and for that of the columns it lacks.
    """
    new = values.diff(dim=1, prepend=values.new_full((len(values), 1), -2.0)) != 0
    space, present = new.long().cumsum(1) - 1, (values >= 0).to(values.dtype)
    total, size = (torch.zeros_like(values).scatter_add(1, space, part) for part in (values * present, present))
    return space, torch.stack([total / size.clamp(min=1), size], -1)


class IGNLayer(nn.Module):
    """h [P, K, d], symmetric in the `ends` of pairs, to the next: see above."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.own = Linear(dim, dim)
        self.ends, self.diagonal = Linear(4 * dim, dim, bias=False), Linear(4 * dim, dim, bias=False)

    def forward(self, h: Tensor, batch: Batch, ends: tuple[Tensor, Tensor]) -> Tensor:
        of_nodes = contract(h, batch)
        either = self.ends(of_nodes)
        h = self.own(h) + either[ends[0]] + either[ends[1]]
        return h.index_add(0, diagonal(batch), self.diagonal(of_nodes).to(h.dtype)).relu()


def diagonal(batch: Batch) -> Tensor:
    """[N]: the pair (i, i)."""
    return node_pairs(batch).ptr[:-1] + batch.place


def contract(h: Tensor, batch: Batch) -> Tensor:
    """h [P, K, d] to n [N, K, 4 d]: see above."""
    rows, own = pool(h.flatten(1), node_pairs(batch), "mean"), h[diagonal(batch)].flatten(1)
    means = (pool(part, batch, "mean")[batch.batch] for part in (own, rows))
    return torch.cat([part.view(len(own), *h.shape[1:]) for part in (rows, own, *means)], -1)
