"""SPE: Huang et al., "On the Stability of Expressive Positional Encodings for Graphs", ICLR 2024.

    SPE(V, λ) = ρ( V diag(φ_1(λ)) Vᵀ, …, V diag(φ_m(λ)) Vᵀ )

of the first K eigenpairs of the normalised Laplacian, those of eigenvalue 0 with them. Neither signs nor the basis of
an eigenspace change it, and it is continuous in the graph as long as λ_K and λ_{K+1} stay apart. The m matrices are
features of the pairs (i, j) of nodes; ρ is a GIN that runs over i in each column j by itself, and a sum over j. Where K
would cut an eigenspace, a graph keeps the vectors below it, which is ours.

Node attributes `spe_vec` [N, K] and `spe_val` [N, K], each node's copy of its graph's eigenvalues. Columns that a
graph lacks hold zeros and the value −1.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.columns import node_pairs
from gnnlab.encodings.laplacian import Laplacian
from gnnlab.encodings.networks import DeepGIN, NormedMLP
from gnnlab.encodings.spectrum import Spectral, Spectrum
from gnnlab.ops import pool
from gnnlab.ops.linear import Linear
from gnnlab.packed import Packed

PHI_WIDTH = 16


@dataclass(frozen=True)
class SPE(Spectral):
    """SPE (Huang et al., ICLR 2024): `k` eigenpairs → `channels` functions φ of them → GIN → `k` → linear to `dim`.

    `phi`: "mlp" (each eigenvalue by itself), "deepsets" (each among those of its graph), "one" (φ = 1:
    projections alone). The GIN ρ has `layers` of width `hidden`, on ZINC the authors' 8 of 128, and gives K columns as
    theirs does; its ε starts at 0, theirs at N(0, 1).
    """

    ambiguous_basis: ClassVar[bool] = True
    orthonormal: ClassVar[bool] = True

    k: Count = 37
    dim: Count | None = None
    laplacian: Laplacian = "sym"
    channels: Count = 16
    phi: Literal["mlp", "deepsets", "one"] = "mlp"
    layers: Count = 3
    hidden: Count = 32

    def cache_key(self) -> dict:
        return {"k": self.k, "laplacian": self.laplacian}

    @property
    def pairs(self) -> int:
        return self.k + 1  # eigenpairs: the last tells whether K cuts an eigenspace

    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        vectors, values = spectrum.first_whole(self.k, graphs)
        return {"spe_vec": vectors, "spe_val": values.where(values.isfinite(), -1)[graphs.graph_of_node]}

    def encoder(self, dim: int) -> nn.Module:
        return SPEEncoder(self, dim)


class SPEEncoder(nn.Module):
    """Batch with `spe_vec`, `spe_val` [N, K] → [N, dim]."""

    static_shapes: ClassVar[bool] = False  # how many rows there are depends on the batch's values

    def __init__(self, spe: SPE, dim: int) -> None:
        super().__init__()
        kind = {"mlp": Elementwise, "deepsets": DeepSets, "one": One}[spe.phi]
        self.phi = nn.ModuleList(kind() for _ in range(spe.channels))
        self.rho = DeepGIN(spe.channels, spe.hidden, spe.k, spe.layers, depth=3)
        self.linear = Linear(spe.k, dim)

    @torch.compiler.disable
    def forward(self, batch: Batch) -> Tensor:
        return self.linear(pool(self.rho(self.filtered(batch), node_pairs(batch)), node_pairs(batch), "sum"))

    def filtered(self, batch: Batch) -> Tensor:
        """V diag(φ(λ)) Vᵀ of each graph and φ: [P, m] for its pairs of nodes."""
        vectors, counts = batch.node["spe_vec"], batch.ptr.diff()
        first = batch.ptr[:-1].clamp(max=max(0, batch.num_nodes - 1))
        values = batch.node["spe_val"][first]  # the copy of each graph's first node
        present = (values >= 0) & (counts > 0)[:, None]
        eigenvalues = Eigenvalues(values[present], present, batch)
        phi = vectors.new_zeros(*values.shape, len(self.phi))
        phi[present] = torch.cat([phi_l(eigenvalues) for phi_l in self.phi], 1).to(phi.dtype)

        graphs, longest, rows = batch.num_graphs, batch.max_nodes, node_pairs(batch)
        place = batch.batch * longest + batch.place
        dense = vectors.new_zeros(graphs * longest, vectors.shape[1]).index_copy(0, place, vectors)
        dense = dense.view(graphs, longest, vectors.shape[1])  # this product alone is padded, with zeros
        product = torch.einsum("gik,gkm,gjk->gijm", dense, phi, dense).flatten(0, 2)
        return product[place[rows.batch] * longest + rows.node["column"]]


class Eigenvalues:
    """The eigenvalues of a batch as `column` [L, 1], graph after graph; `graph` [L] says whose they are."""

    def __init__(self, values: Tensor, present: Tensor, batch: Batch) -> None:
        self.column, self.num_graphs = values[:, None], batch.num_graphs
        self.graph = present.nonzero()[:, 0]
        ends = pad(present.sum(1).cumsum(0), (1, 0))
        self.rows = None if batch.real.num_graphs is None else ends[batch.real.num_graphs]

    def total(self, x: Tensor) -> Tensor:
        """[L, d] to the sum over the eigenvalues of the same graph, [L, d]."""
        return x.new_zeros(self.num_graphs, x.shape[1]).index_add(0, self.graph, x)[self.graph]


class Elementwise(nn.Module):
    """φ(λ)_k = MLP(λ_k) with batch norm, 1 → 16 → 16 → 1: in training φ sees all eigenvalues of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = NormedMLP(1, PHI_WIDTH, PHI_WIDTH, 1)

    def forward(self, eigenvalues: Eigenvalues) -> Tensor:
        return self.mlp(eigenvalues.column, eigenvalues.rows)


class DeepSets(nn.Module):
    """φ of four layers y_k = ReLU(W₁ x_k + b + W₂ Σ_l x_l), 1 → 16 → 16 → 16 → 1."""

    def __init__(self) -> None:
        super().__init__()
        widths = list(pairwise([1, PHI_WIDTH, PHI_WIDTH, PHI_WIDTH, 1]))
        self.own = nn.ModuleList(Linear(a, b) for a, b in widths)
        self.all = nn.ModuleList(Linear(a, b, bias=False) for a, b in widths)

    def forward(self, eigenvalues: Eigenvalues) -> Tensor:
        x = eigenvalues.column
        for own, of_all in zip(self.own, self.all, strict=True):
            x = (own(x) + of_all(eigenvalues.total(x))).relu()
        return x


class One(nn.Module):
    """φ = 1: the projection on the span of the eigenvectors."""

    def forward(self, eigenvalues: Eigenvalues) -> Tensor:
        return torch.ones_like(eigenvalues.column)
