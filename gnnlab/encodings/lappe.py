"""LapPE: the K eigenvectors of the graph Laplacian with the smallest eigenvalues.

Dwivedi et al., Benchmarking Graph Neural Networks (2020), Kreuzer et al., Rethinking Graph Transformers with
Spectral Attention (NeurIPS 2021), and Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer
(NeurIPS 2022). See `gnnlab.encodings.laplacian` for the Laplacians and their eigenvectors.

Node attributes `lappe_vec` [N, K], unit vectors per graph, and `lappe_val` [N, K], each node's copy of its graph's
eigenvalues; a graph of n < K nodes has zeros in the last K − n columns. Eigenvectors are defined up to sign, and up
to rotation where an eigenvalue repeats. In training every graph draws a sign for each column, anew in each batch.
"""

import logging
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.laplacian import Laplacian
from gnnlab.encodings.spectrum import Spectral, Spectrum
from gnnlab.ops.linear import Linear
from gnnlab.packed import Packed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LapPE(Spectral):
    """K = `k` eigenvectors → learnt half `net` of width `dim`.

    `skip_trivial` leaves out the first vector, which is constant on a connected graph (benchmarking-gnns
    leaves it out, GraphGPS keeps it). `net`: see `DeepSet`, `Transformer` and `SignedLinear`.
    """

    ambiguous_basis: ClassVar[bool] = True

    k: Count = 8
    dim: Count | None = None
    laplacian: Laplacian = "none"
    skip_trivial: bool = False
    net: Literal["deepset", "transformer", "linear"] = "deepset"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k == 1 and not self.skip_trivial:
            log.warning("LapPE(k=1, skip_trivial=False) tells little but the number of nodes.")

    def cache_key(self) -> dict:
        return {"k": self.k, "laplacian": self.laplacian, "skip_trivial": self.skip_trivial}

    @property
    def pairs(self) -> int:
        return self.k + self.skip_trivial + 1

    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        """Warns how many graphs lose a part of an eigenspace."""
        spectrum.warn_of_cuts(self.k + self.skip_trivial, graphs, f"LapPE(k={self.k})")
        vectors, values = spectrum.first(self.k, int(self.skip_trivial))
        values = values.where(values.isfinite(), 0)[graphs.graph_of_node]
        return {"lappe_vec": vectors.contiguous(), "lappe_val": values}

    def encoder(self, dim: int) -> nn.Module:
        if self.net == "linear":
            return SignedLinear(self.k, dim)
        return (DeepSet if self.net == "deepset" else Transformer)(dim, self.skip_trivial)


def random_signs(batch: Batch, vectors: Tensor) -> Tensor:
    """Eigenvectors [N, K], each column of each graph times a random ±1."""
    signs = torch.randint(0, 2, (batch.num_graphs, vectors.shape[1]), device=vectors.device) * 2 - 1
    return vectors * signs[batch.batch]


class Frequencies(nn.Module):
    """Σ_k h_ik over the eigenpairs that a graph has; `mix` makes h [N, K, p] of the pairs (v_ik, λ_k) [N, K, 2]."""

    def __init__(self, skip_trivial: bool) -> None:
        super().__init__()
        self.skipped = int(skip_trivial)

    @abstractmethod
    def mix(self, pairs: Tensor, present: Tensor) -> Tensor:
        """`present` [N, K] bool."""

    def forward(self, batch: Batch) -> Tensor:
        vectors, values = batch.node["lappe_vec"], batch.node["lappe_val"]
        if self.training:
            vectors = random_signs(batch, vectors)
        count = (batch.ptr.diff() - self.skipped)[batch.batch, None]
        present = torch.arange(vectors.shape[1], device=vectors.device) < count
        return (self.mix(torch.stack([vectors, values], -1), present) * present[..., None]).sum(1)


class DeepSet(Frequencies):
    """GraphGPS: h_ik = φ(v_ik, λ_k), φ = Linear 2 → 2p, ReLU, Linear 2p → p, ReLU."""

    def __init__(self, dim: int, skip_trivial: bool) -> None:
        super().__init__(skip_trivial)
        self.phi = nn.Sequential(Linear(2, 2 * dim), nn.ReLU(), Linear(2 * dim, dim), nn.ReLU())

    def mix(self, pairs: Tensor, present: Tensor) -> Tensor:
        return self.phi(pairs)


class Transformer(Frequencies):
    """SAN: Linear 2 → p, then two transformer layers over the frequencies of each node.

    Of 4 heads where p has a multiple of 4, feed-forward width 2p and no dropout (GraphGPS: width 2048 and dropout 0.1).
    """

    def __init__(self, dim: int, skip_trivial: bool) -> None:
        super().__init__(skip_trivial)
        self.embed = Linear(2, dim)
        heads = 4 if dim % 4 == 0 else 1
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout=0.0, batch_first=True) for _ in range(2)
        )

    def mix(self, pairs: Tensor, present: Tensor) -> Tensor:
        h = self.embed(pairs)
        absent = ~present & present.any(1, keepdim=True)  # a node without any attends to all, which come to nothing
        for layer in self.layers:
            h = layer(h, src_key_padding_mask=absent)
        return h


class SignedLinear(nn.Module):
    """benchmarking-gnns: Linear K → p of the eigenvectors; columns a graph lacks are zero."""

    def __init__(self, k: int, dim: int) -> None:
        super().__init__()
        self.linear = Linear(k, dim)

    def forward(self, batch: Batch) -> Tensor:
        vectors = batch.node["lappe_vec"]
        return self.linear(random_signs(batch, vectors) if self.training else vectors)
