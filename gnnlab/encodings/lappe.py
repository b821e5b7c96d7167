"""LapPE: the K eigenvectors of the graph Laplacian with the smallest eigenvalues.

Dwivedi et al., Benchmarking Graph Neural Networks (2020), and Rampášek et al., Recipe for a General,
Powerful, Scalable Graph Transformer (2022). With S = 1 (`none`) or D^-½ (`sym`, `rw`):

    S (D − A) S v = λ v,  and u = S v for `rw`, an eigenvector of D⁻¹ (D − A).

Self-loops do not count and parallel edges add up. S is 1 at an isolated node, so 0 is an eigenvalue once for
each connected component. Node attributes `lappe_vec` [N, K], unit vectors per graph, and `lappe_val` [N, K],
each node's copy of its graph's eigenvalues, clamped to ≥ 0; a graph of n < K nodes has zeros in the last K − n
columns.

Eigenvectors are defined up to sign, and up to rotation where an eigenvalue repeats. The stored sign makes the
entry of largest magnitude positive (the first among ties); the stored basis of a repeated eigenvalue is
LAPACK's, hence arbitrary. In training every graph draws a sign for each column, anew in each batch.
"""

import logging
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn
from torch.nn.functional import pad

from gnnlab.batch import Batch
from gnnlab.encodings.base import Encoding
from gnnlab.encodings.dense import by_size
from gnnlab.errors import UsageError
from gnnlab.packed import Packed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LapPE(Encoding):
    """K = `k` eigenvectors → learnt half `net` of width `dim`.

    `skip_trivial` leaves out the first vector, which is constant on a connected graph (benchmarking-gnns
    leaves it out, GraphGPS keeps it). `net`: see `DeepSet` and `SignedLinear`.
    """

    needs: ClassVar[tuple[str, ...]] = ("undirected",)
    gives: ClassVar[tuple[str, ...]] = ("lappe",)
    ambiguous_basis: ClassVar[bool] = True

    k: int = 8
    dim: int | None = None
    laplacian: Literal["none", "sym", "rw"] = "none"
    skip_trivial: bool = False
    net: Literal["deepset", "linear"] = "deepset"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"LapPE(k={self.k}): at least 1 eigenvector is needed.")
        if self.k == 1 and not self.skip_trivial:
            log.warning("LapPE(k=1, skip_trivial=False) tells little but the number of nodes.")

    def cache_key(self) -> dict:
        return {"k": self.k, "laplacian": self.laplacian, "skip_trivial": self.skip_trivial}

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        """Raises `UsageError` on a directed graph; warns how many graphs lose a part of an eigenspace."""
        _check_undirected(graphs)
        columns = by_size(graphs, 2 * self.k + 1, self._dense, self._sparse, "lappe")
        vectors, values = columns[:, : self.k], columns[:, self.k :]
        first = graphs.ptr[:-1][graphs.ptr.diff() > self.k + self.skip_trivial]
        cut = int(torch.isclose(values[first, -2], values[first, -1], rtol=1e-5, atol=1e-6).sum())
        if cut:
            log.warning(
                "LapPE(k=%d) cuts through a repeated eigenvalue in %d of %d graphs: which of its eigenvectors are "
                "kept there is arbitrary.",
                self.k,
                cut,
                graphs.num_graphs,
            )
        return {"lappe_vec": vectors.contiguous(), "lappe_val": values[:, :-1].contiguous()}

    def encoder(self, dim: int) -> nn.Module:
        return DeepSet(dim, self.skip_trivial) if self.net == "deepset" else SignedLinear(self.k, dim)

    def _scale(self, degree: Tensor) -> Tensor:
        return torch.ones_like(degree) if self.laplacian == "none" else degree.clamp(min=1).rsqrt()

    def _dense(self, adjacency: Tensor) -> Tensor:
        adjacency = adjacency.double()
        adjacency.diagonal(dim1=-2, dim2=-1).zero_()
        degree = adjacency.sum(-1)
        scale = self._scale(degree)
        laplacian = scale[..., None] * (torch.diag_embed(degree) - adjacency) * scale[..., None, :]
        values, vectors = torch.linalg.eigh(laplacian)
        return self._columns(values, vectors, scale)

    def _sparse(self, adjacency: csr_array) -> Tensor:
        """Shift-invert Lanczos about a point just below the spectrum, from a fixed vector; dense for all of it."""
        others = csr_array(adjacency - diags_array(adjacency.diagonal()), dtype=np.float64)
        degree = torch.from_numpy(others.sum(1))
        wanted = self.k + 1 + self.skip_trivial
        if wanted >= len(degree):
            return self._dense(torch.from_numpy(others.toarray()))
        scale = self._scale(degree)
        s = diags_array(scale.numpy())
        laplacian = (s @ (diags_array(degree.numpy()) - others) @ s).tocsc()
        start = np.random.default_rng(0).standard_normal(len(degree))
        values, vectors = eigsh(laplacian, wanted, sigma=-0.01, v0=start)
        order = values.argsort()
        return self._columns(torch.from_numpy(values[order]), torch.from_numpy(vectors[:, order]), scale)

    def _columns(self, values: Tensor, vectors: Tensor, scale: Tensor) -> Tensor:
        """Ascending eigenpairs [..., n], [..., n, n] → K vectors, K values and the next value: [..., n, 2K+1]."""
        k, first = self.k, int(self.skip_trivial)
        values, vectors = values[..., first : first + k + 1].clamp(min=0), vectors[..., first : first + k]
        if self.laplacian == "rw":
            vectors = nn.functional.normalize(vectors * scale[..., None], dim=-2)
        vectors = pad(_fix_signs(vectors), (0, k - vectors.shape[-1]))
        values = pad(values, (0, k + 1 - values.shape[-1]))[..., None, :]
        return torch.cat([vectors, values.expand(*vectors.shape[:-1], k + 1)], -1)


def _fix_signs(vectors: Tensor) -> Tensor:
    size = vectors.abs()
    largest = (size > (1 - 1e-6) * size.amax(-2, keepdim=True)).int().argmax(-2, keepdim=True)
    return vectors * vectors.gather(-2, largest).sign()


def _check_undirected(graphs: Packed) -> None:
    source, target = graphs.edge_index
    reverse_missing = (source != target[graphs.transpose]) | (target != source[graphs.transpose])
    if reverse_missing.any():
        edge = reverse_missing.int().argmax()
        graph = int(torch.searchsorted(graphs.edge_ptr, edge, right=True)) - 1
        raise UsageError(
            f"LapPE needs undirected graphs, and graph {graph} has an edge without its reverse: add the reverse "
            "edges (torch_geometric.transforms.ToUndirected) or choose another encoding, such as rwse."
        )


def random_signs(batch: Batch, vectors: Tensor) -> Tensor:
    """Eigenvectors [N, K], each column of each graph times a random ±1."""
    signs = torch.randint(0, 2, (batch.num_graphs, vectors.shape[1]), device=vectors.device) * 2 - 1
    return vectors * signs[batch.batch]


class DeepSet(nn.Module):
    """GraphGPS: Σ_k φ(v_ik, λ_k), φ = Linear 2 → 2p, ReLU, Linear 2p → p, ReLU, over the frequencies a graph has."""

    def __init__(self, dim: int, skip_trivial: bool) -> None:
        super().__init__()
        self.skipped = int(skip_trivial)
        self.phi = nn.Sequential(nn.Linear(2, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim), nn.ReLU())

    def forward(self, batch: Batch) -> Tensor:
        vectors, values = batch.node["lappe_vec"], batch.node["lappe_val"]
        if self.training:
            vectors = random_signs(batch, vectors)
        count = (batch.ptr.diff() - self.skipped)[batch.batch, None]
        present = torch.arange(vectors.shape[1], device=vectors.device) < count
        return (self.phi(torch.stack([vectors, values], -1)) * present[..., None]).sum(1)


class SignedLinear(nn.Module):
    """benchmarking-gnns: Linear K → p of the eigenvectors; columns a graph lacks are zero."""

    def __init__(self, k: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(k, dim)

    def forward(self, batch: Batch) -> Tensor:
        vectors = batch.node["lappe_vec"]
        return self.linear(random_signs(batch, vectors) if self.training else vectors)
