"""What an encoding is, and how its offline half reaches the data: computed once per graph, then cached.

The offline half sees the structure of the graphs alone, without features or targets. So a digest of
the structure, the parameters and the code name its result completely, and a stale file is never read.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn

from gnnlab.cache import Cache
from gnnlab.encodings.dense import by_size
from gnnlab.errors import UsageError
from gnnlab.packed import Packed


class Encoding(ABC):
    """A factory of the two halves; subclasses are frozen dataclasses.

    `dim` is the width of the learnt half; with None the model decides. With `ambiguous_basis` the offline
    half is defined up to sign, and up to rotation where an eigenvalue repeats.
    `gnnlab.testing.assert_encoding_lawful` tries everything that is asked of an encoding.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    ambiguous_basis: ClassVar[bool] = False
    dim: int | None

    def cache_key(self) -> dict[str, Any]:
        """The parameters that the offline half may depend on, as JSON: all but `dim`."""
        return {name: value for name, value in vars(self).items() if name != "dim"}

    @abstractmethod
    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        """Node attributes [N, …], float32, of each graph by itself. `graphs` carries no attributes."""

    @abstractmethod
    def encoder(self, dim: int) -> nn.Module:
        """The learnt half: a module from `Batch` to [N, dim]."""


def attach(encodings: Sequence[Encoding], splits: dict[str, Packed], cache: Cache) -> dict[str, Packed]:
    """The splits with the node attributes of every encoding; splits of equal structure share theirs.

    Raises `UsageError` if two encodings write the same attribute.
    """
    structures = {name: _structure_digest(split) for name, split in splits.items()}
    written: set[str] = set()
    for encoding in encodings:
        computed = {}
        for name, split in splits.items():
            if structures[name] not in computed:
                computed[structures[name]] = _offline(encoding, split, structures[name], cache)
        attributes = set().union(*computed.values())
        if twice := sorted(written & attributes):
            raise UsageError(f"Two encodings write the node attribute {twice[0]!r}: keep one of them.")
        written |= attributes
        splits = {name: split.with_node(**computed[structures[name]]) for name, split in splits.items()}
    return splits


def _offline(encoding: Encoding, graphs: Packed, structure: str, cache: Cache) -> dict[str, Tensor]:
    bare = replace(graphs, node={}, edge={}, graph={})
    kind = type(encoding)
    key = {
        "encoding": f"{kind.__module__}.{kind.__qualname__}",
        "parameters": encoding.cache_key(),
        "structure": structure,
    }
    return cache.tensors(kind.__name__.lower(), key, lambda: encoding.precompute(bare), code=(kind, by_size))


def _structure_digest(graphs: Packed) -> str:
    digest = hashlib.sha256()
    for tensor in (graphs.ptr, graphs.edge_index):
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
