"""The smallest eigenpairs of every graph: decomposed once, for every encoding that is made of them.

Computed in float64, kept in float32. K vectors say something about the graph alone only where λ_K < λ_K+1:
`Spectrum` tells where that is.
"""

import logging
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad

from gnnlab.encodings.base import Encoding
from gnnlab.encodings.dense import by_size
from gnnlab.encodings.laplacian import Laplacian, dense_eigenpairs, sparse_eigenpairs
from gnnlab.errors import UsageError
from gnnlab.ops import eigenpairs
from gnnlab.packed import Packed
from gnnlab.ragged import repeat

log = logging.getLogger(__name__)

MOST_ELEMENTS = 1 << 31


@dataclass(frozen=True)
class Spectrum:
    """Unit eigenvectors `vectors` [N, K] and ascending eigenvalues `values` [G, K] ≥ 0, for all graphs the same K.

    A graph of n < K nodes has n of them: the vectors end in zeros and the values in ∞.
    """

    vectors: Tensor
    values: Tensor

    def first(self, k: int, skip: int = 0) -> tuple[Tensor, Tensor]:
        """`vectors` [N, k] and `values` [G, k] after the first `skip`."""
        return _widened(self.vectors, skip + k, 0.0)[:, skip:], _widened(self.values, skip + k, torch.inf)[:, skip:]

    def gaps(self, k: int) -> Tensor:
        """[G, k] bool: whether the first 1 … k values end where an eigenspace ends, so that 1 … k vectors cut none."""
        values = _widened(self.values, k + 1, torch.inf)
        return values[:, 1:] > values[:, :-1] * (1 + 1e-4) + 1e-8

    def warn_of_cuts(self, k: int, graphs: Packed, name: str) -> None:
        """Log how many graphs lose a part of an eigenspace in `first(k)`."""
        cut = int((~self.gaps(k)[:, -1] & (graphs.ptr.diff() > k)).sum())
        if cut:
            log.warning(
                "%s cuts through a repeated eigenvalue in %d of %d graphs: which of its eigenvectors are kept there is "
                "arbitrary.",
                name,
                cut,
                graphs.num_graphs,
            )

    def first_whole(self, k: int) -> tuple[Tensor, Tensor]:
        """`first(k)` without the part of an eigenspace that k cuts, where it does: k moves down to the next gap."""
        vectors, values = self.first(k)
        kept = (self.gaps(k) * torch.arange(1, k + 1)).amax(1, keepdim=True) > torch.arange(k)
        return vectors, values.where(kept, torch.inf)


def _widened(columns: Tensor, width: int, value: float) -> Tensor:
    return pad(columns[:, :width], (0, max(0, width - columns.shape[1])), value=value)


class Spectral(Encoding):
    """An encoding made of the first `pairs` eigenpairs (None: all) of one Laplacian.

    Encodings that ask for the same Laplacian share one decomposition, see `gnnlab.encodings.offline`.
    """

    laplacian: Laplacian

    @property
    @abstractmethod
    def pairs(self) -> int | None:
        """The eigenpairs it reads, with the next one where it must know whether K of them cut an eigenspace."""

    @abstractmethod
    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        """Node attributes [N, …], float32, from `pairs` eigenpairs of each graph or more, where it has them."""

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        return self.from_spectrum(graphs, decompose(graphs, self.laplacian, self.pairs))


def decompose(graphs: Packed, laplacian: Laplacian, pairs: int | None) -> Spectrum:
    """The first `pairs` eigenpairs of each graph, or all of them.

    Raises `UsageError` where the vectors would not fit in memory.
    """
    counts = graphs.ptr.diff()
    largest = int(counts.max()) if len(counts) else 0
    width = largest if pairs is None else min(pairs, largest)
    if graphs.num_nodes * width > MOST_ELEMENTS:
        raise UsageError(
            f"{width} eigenvectors of {graphs.num_nodes} nodes take {graphs.num_nodes * width * 4 / 2**30:.0f} GiB: "
            "lower encoding.<name>.k, or leave out the encodings that need all of them (hkdiag, elstatic)."
        )
    if pairs is None or not eigenpairs.is_fused():
        return _by_lapack(graphs, laplacian, width)
    vectors, values, found = eigenpairs.smallest_eigenpairs(graphs, laplacian, width)
    spectrum = Spectrum(vectors, values.float())
    if not found.all():
        others = _by_lapack(graphs.take((~found).nonzero()[:, 0]), laplacian, width)
        spectrum.vectors[repeat(~found, counts)], spectrum.values[~found] = others.vectors, others.values
    return spectrum


def _by_lapack(graphs: Packed, laplacian: Laplacian, width: int) -> Spectrum:
    """By size, as batches of dense matrices or one by one as sparse ones."""
    counts = graphs.ptr.diff()
    dense = partial(dense_eigenpairs, laplacian=laplacian, width=width)
    sparse = partial(sparse_eigenpairs, laplacian=laplacian, width=width)
    columns = by_size(graphs, width + 1, dense, sparse, "spectrum")
    place = torch.arange(graphs.num_nodes) - graphs.ptr[:-1].repeat_interleave(counts)
    values = torch.full((graphs.num_graphs, width), torch.inf)
    has = place < width
    values[torch.arange(graphs.num_graphs).repeat_interleave(counts)[has], place[has]] = columns[has, -1]
    return Spectrum(columns[:, :-1].contiguous(), values)
