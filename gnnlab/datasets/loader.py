"""Mini-batches of a packed split: an epoch is planned up front, then its batches are built one at a time."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from math import ceil
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.datasets.check import num_examples
from gnnlab.errors import UsageError
from gnnlab.ops.assemble import assemble
from gnnlab.packed import Packed
from gnnlab.ragged import pointers

Bounds = list[tuple[int, int]]


class Loader:
    """Batches of at most `batch_size` graphs, `max_nodes` nodes and `max_edges` edges, whichever is met first.

    `limit`: that many graphs, evenly spread over the split. `shuffle` (training): the order of an epoch
    is fixed by (seed, epoch); else (evaluation) it is that of the split. Over `world` processes the batches
    are the same, each cut into `world` contiguous parts: all ranks make the steps that one process makes.
    A part is empty where a batch has too few graphs; that of rank 0 never is.

    Raises `UsageError` where a limit has no room for the largest graph alone, or `limit` leaves none.
    """

    gives: ClassVar[tuple[str, ...]] = ("whole_graphs",)

    def __init__(
        self,
        packed: Packed,
        batch_size: Count | None = 32,
        max_nodes: Count | None = None,
        max_edges: Count | None = None,
        limit: Count | None = None,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if limit is not None and limit < packed.num_graphs:
            packed = packed.take(torch.arange(limit) * packed.num_graphs // limit)
            if not num_examples(packed):
                raise UsageError(f"loader.limit={limit} leaves graphs without a node that has a target: raise it.")
        self.packed, self.asked = packed, (batch_size, max_nodes, max_edges, None, shuffle, seed, rank, world)
        self.shuffle, self.seed, self.rank, self.world = shuffle, seed, rank, world
        sizes = (torch.ones(packed.num_graphs, dtype=torch.long), packed.ptr.diff(), packed.edge_ptr.diff())
        limits = {"batch_size": batch_size, "max_nodes": max_nodes, "max_edges": max_edges}
        self.limits = [(size, limit) for size, limit in zip(sizes, limits.values(), strict=True) if limit is not None]
        for size, (name, limit) in zip(sizes, limits.items(), strict=True):
            needed = max(1, int(size.max())) if packed.num_graphs else 1
            if limit is not None and limit < needed:
                raise UsageError(f"loader.{name}={limit} has no room for the largest graph: at least {needed}.")

    def over(self, packed: Packed) -> "Loader":
        """The same loader over other graphs, all of them."""
        return Loader(packed, *self.asked)

    def sample(self) -> list[Batch]:
        """A few graphs to measure a model on, each by itself."""
        return [self.packed.batch(index, index + 1) for index in range(min(32, self.packed.num_graphs))]

    def num_batches(self, epoch: int = 0) -> int:
        """The batches of `epoch` on this rank, exactly; epochs differ only under `max_nodes` or `max_edges`."""
        return len(self._plan(epoch)[1])

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from number `start` on; those before it are not built."""
        order, bounds = self._plan(epoch)
        if order is None:
            yield from (self._stored(*bound) for bound in bounds[start:])
        else:
            yield from assemble(self.packed, order, bounds[start:])

    def _stored(self, first: int, last: int) -> Batch:
        """Graphs as they lie; a single graph is one batch for ever, and what its layers `once` found stays found.

        So it is on a GPU, which keeps a copy.
        """
        return self._whole if (first, last) == (0, 1) == (0, self.packed.num_graphs) else self.packed.batch(first, last)

    @cached_property
    def _whole(self) -> Batch:
        return replace(self.packed.batch(), stays=True)

    def _plan(self, epoch: int) -> tuple[Tensor | None, Bounds]:
        """The order of the graphs (None: as stored), and where in it each batch of this rank begins and ends."""
        count, order = self.packed.num_graphs, None
        if self.shuffle and count > 1:
            order = torch.from_numpy(np.random.default_rng([self.seed, epoch]).permutation(count))
        batches = self._cut(torch.arange(count) if order is None else order)
        return order, [(self._share(a, b, self.rank), self._share(a, b, self.rank + 1)) for a, b in batches]

    def _share(self, first: int, last: int, rank: int) -> int:
        """Where the part of `rank` begins in the batch first … last−1."""
        return first + ceil((last - first) * rank / self.world)

    def _cut(self, order: Tensor) -> Bounds:
        """Consecutive batches, each as long as every limit allows."""
        end = np.full(len(order), len(order))
        for size, limit in self.limits:
            before = pointers(size[order]).numpy()
            end = np.minimum(end, np.searchsorted(before, before[:-1] + limit, side="right") - 1)
        ends, bounds, first = end.tolist(), [], 0
        while first < len(order):
            bounds.append((first, ends[first]))
            first = ends[first]
        return bounds
