"""What an encoding is, and how its offline half reaches the data: computed once per graph, then cached.

The offline half sees the structure of the graphs alone, without features or targets. So a digest of
the structure, the parameters and the code name its result completely, and a stale file is never read.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn

from gnnlab.cache import Cache, source_hash
from gnnlab.encodings.dense import by_size
from gnnlab.errors import UsageError
from gnnlab.packed import Packed


class Encoding(ABC):
    """A factory of the two halves; subclasses are frozen dataclasses.

    `dim` is the width of the learnt half; with None the model decides.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    dim: int | None

    @abstractmethod
    def cache_key(self) -> dict:
        """The parameters that the offline half depends on."""

    @abstractmethod
    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        """Node attributes [N, …], float32. `graphs` carries no attributes."""

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
    try:
        code = source_hash(by_size, *(base for base in kind.__mro__ if issubclass(base, Encoding)))
    except (OSError, TypeError):  # written in a notebook: no file to tell a change by, so nothing is kept
        return encoding.precompute(bare)
    key = {
        "encoding": f"{kind.__module__}.{kind.__qualname__}",
        "parameters": encoding.cache_key(),
        "structure": structure,
        "code": code,
    }
    return cache.tensors(kind.__name__.lower(), key, lambda: encoding.precompute(bare))


def _structure_digest(graphs: Packed) -> str:
    digest = hashlib.sha256()
    for tensor in (graphs.ptr, graphs.edge_index):
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
