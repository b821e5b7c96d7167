"""How the offline halves reach the data: computed once per graph, then cached.

They see the structure of the graphs alone, without features or targets. So a digest of the structure, the parameters
and the code name a result completely, and a stale file is never read. Encodings made of eigenpairs share one
decomposition for each Laplacian. Its size is a power of two, so that other encodings and other settings of
K find it too.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from gnnlab.cache import Cache
from gnnlab.encodings.base import Encoding
from gnnlab.encodings.dense import by_size
from gnnlab.encodings.laplacian import Laplacian, dense_eigenpairs
from gnnlab.encodings.spectrum import Spectral, Spectrum, decompose
from gnnlab.errors import UsageError
from gnnlab.packed import Packed

FEWEST_PAIRS = 16
SHARED_CODE = (by_size, dense_eigenpairs)
"""In the modules of these lies what offline halves call."""


def attach(encodings: Sequence[Encoding], splits: dict[str, Packed], cache: Cache) -> dict[str, Packed]:
    """The splits with the node attributes of every encoding; splits of equal structure share theirs.

    Raises `UsageError` if two encodings write the same attribute.
    """
    distinct: dict[str, Structure] = {}
    structures = {}
    for name, split in splits.items():
        structure = Structure(replace(split, node={}, edge={}, graph={}, pair={}), cache)
        structures[name] = distinct.setdefault(structure.digest, structure)
    pairs = shared_pairs(encodings)
    written: set[str] = set()
    for encoding in encodings:
        computed = {digest: structure.offline(encoding, pairs) for digest, structure in distinct.items()}
        attributes = set().union(*computed.values())
        if twice := sorted(written & attributes):
            raise UsageError(f"Two encodings write the node attribute {twice[0]!r}: keep one of them.")
        written |= attributes
        splits = {name: split.with_node(**computed[structures[name].digest]) for name, split in splits.items()}
    return splits


def shared_pairs(encodings: Sequence[Encoding]) -> dict[Laplacian, int | None]:
    """For each Laplacian, how many eigenpairs are computed: a power of two that is enough for all; None: all pairs."""
    wanted: dict[Laplacian, int | None] = {}
    for encoding in encodings:
        if isinstance(encoding, Spectral):
            pairs, others = encoding.pairs, wanted.get(encoding.laplacian, FEWEST_PAIRS)
            enough = None if pairs is None or others is None else max(others, 1 << (pairs - 1).bit_length())
            wanted[encoding.laplacian] = enough
    return wanted


@dataclass
class Structure:
    """Graphs without attributes, and what is computed from them."""

    graphs: Packed
    cache: Cache

    def __post_init__(self) -> None:
        self._spectra: dict[Laplacian, Spectrum] = {}

    @cached_property
    def digest(self) -> str:
        digest = hashlib.sha256()
        for tensor in (self.graphs.ptr, self.graphs.edge_index):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def offline(self, encoding: Encoding, pairs: dict[Laplacian, int | None]) -> dict[str, Tensor]:
        """The node attributes of `encoding`."""
        kind = type(encoding)
        key = {
            "encoding": f"{kind.__module__}.{kind.__qualname__}",
            "parameters": encoding.cache_key(),
            "structure": self.digest,
        }
        if isinstance(encoding, Spectral):
            key["pairs"] = pairs[encoding.laplacian]

        def build() -> dict[str, Tensor]:
            if not isinstance(encoding, Spectral):
                return encoding.precompute(self.graphs)
            return encoding.from_spectrum(self.graphs, self.spectrum(encoding.laplacian, key["pairs"]))

        return self.cache.tensors(kind.__name__.lower(), key, build, (kind, *SHARED_CODE))

    def spectrum(self, laplacian: Laplacian, pairs: int | None) -> Spectrum:
        """The decomposition that all encodings of this Laplacian share."""
        if laplacian not in self._spectra:
            key = {"laplacian": laplacian, "pairs": pairs, "structure": self.digest}

            def build() -> dict[str, Tensor]:
                return dict(vars(decompose(self.graphs, laplacian, pairs)))

            found = self.cache.tensors("spectrum", key, build, (Spectral, *SHARED_CODE))
            self._spectra[laplacian] = Spectrum(**found)
        return self._spectra[laplacian]
