"""The smallest eigenpairs of every graph: decomposed once, for every encoding that is made of them.

In ascending order, the eigenvalue 0 of each component included; computed in float64, kept in float32. The graph
determines the span of its first K vectors only where λ_K < λ_{K+1}: `Spectrum` tells where that is.
"""

import logging
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

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
"""Of all vectors of a split: 8 GiB in float32."""


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
        """[G, k] bool: column i − 1 is whether λ_i < λ_{i+1}, so that the first i vectors cut no eigenspace.

        Values differ where one is larger by more than 1e-4 of itself plus 1e-8. Needs k + 1 pairs.
        """
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

    def first_whole(self, k: int, graphs: Packed) -> tuple[Tensor, Tensor]:
        """`first(k)`; where k cuts an eigenspace, only the pairs before that one stay, followed by zeros and ∞."""
        vectors, values = self.first(k)
        kept = (self.gaps(k) * torch.arange(1, k + 1)).amax(1, keepdim=True) > torch.arange(k)
        return vectors * kept[graphs.graph_of_node], values.where(kept, torch.inf)


def _widened(columns: Tensor, width: int, value: float) -> Tensor:
    return pad(columns[:, :width], (0, max(0, width - columns.shape[1])), value=value)


class Spectral(Encoding):
    """An encoding made of the first `pairs` eigenpairs (None: all) of one Laplacian.

    Encodings that ask for the same Laplacian share one decomposition, see `gnnlab.encodings.offline`. `orthonormal`:
    its eigenvectors must be, which those of the random-walk Laplacian are not.
    """

    orthonormal: ClassVar[bool] = False
    laplacian: Laplacian

    def __post_init__(self) -> None:
        name = type(self).__name__.lower()
        if self.orthonormal and self.laplacian == "rw":
            raise UsageError(f"encoding.{name}.laplacian=rw: its eigenvectors are not orthonormal; take sym or none.")

    @property
    @abstractmethod
    def pairs(self) -> int | None:
        """How many eigenpairs to compute, None for all: one more than it reads where it asks for `gaps`."""

    @abstractmethod
    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        """Node attributes [N, …], float32, from at least `pairs` eigenpairs of each graph, or all that it has."""

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        return self.from_spectrum(graphs, decompose(graphs, self.laplacian, self.pairs))


def decompose(graphs: Packed, laplacian: Laplacian, pairs: int | None) -> Spectrum:
    """The first `pairs` eigenpairs of each graph, or all of them.

    Raises `UsageError` where the vectors take more than 8 GiB.
    """
    counts = graphs.ptr.diff()
    largest = int(counts.max()) if len(counts) else 0
    width = largest if pairs is None else min(pairs, largest)
    if graphs.num_nodes * width > MOST_ELEMENTS:
        raise UsageError(
            f"{width} eigenvectors of {graphs.num_nodes} nodes take {graphs.num_nodes * width * 4 / 2**30:.0f} GiB "
            "of at most 8: lower encoding.<name>.k, or leave out encodings that need all of them (hkdiag, elstatic)."
        )
    # Where all pairs are wanted the kernel gains little, and it gives up on graphs of more than 64 nodes.
    if pairs is None or not eigenpairs.is_fused():
        return _without_kernel(graphs, laplacian, width)
    vectors, values, proven = eigenpairs.smallest_eigenpairs(graphs, laplacian, width)
    spectrum = Spectrum(vectors, values.float())
    if not proven.all():
        others = _without_kernel(graphs.take((~proven).nonzero()[:, 0]), laplacian, width)
        spectrum.vectors[repeat(~proven, counts)], spectrum.values[~proven] = others.vectors, others.values
    return spectrum


def _without_kernel(graphs: Packed, laplacian: Laplacian, width: int) -> Spectrum:
    """Dense in batches of equal size; one by one, sparse, above 512 nodes."""
    dense = partial(dense_eigenpairs, laplacian=laplacian, width=width)
    sparse = partial(sparse_eigenpairs, laplacian=laplacian, width=width)
    # [N, width + 1]: the vectors, and the i-th eigenvalue of a graph in row i of its last column
    columns = by_size(graphs, width + 1, dense, sparse, "spectrum")
    owner = graphs.graph_of_node
    row = torch.arange(graphs.num_nodes) - graphs.ptr[owner]
    has = row < width
    values = torch.full((graphs.num_graphs, width), torch.inf)
    values[owner[has], row[has]] = columns[has, -1]
    return Spectrum(columns[:, :-1].contiguous(), values)
