"""Mini-batches of a packed split: an epoch is planned up front, then gathered a window of batches at a time."""

from collections.abc import Iterator
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.packed import Packed, pointers

WINDOW = 1 << 15
"""Nodes and edges gathered at once, about: so few that torch stays in the cache and on one thread."""

Bounds = list[tuple[int, int]]


class Loader:
    """Batches of at most `batch_size` graphs, `max_nodes` nodes and `max_edges` edges, whichever is met first.

    `first`: only so many graphs, the first ones of the split. `shuffle` (training): the order of an epoch
    is fixed by (seed, epoch). Over `world` processes each batch is cut into `world` contiguous parts, so
    that all ranks make the same steps; a batch of fewer than `world` graphs joins the next one (the last,
    the one before). Without `shuffle` (evaluation): each rank visits its contiguous share of the split,
    each graph once over all ranks.

    Raises `UsageError` where a limit has no room for the largest graph alone.
    """

    def __init__(
        self,
        packed: Packed,
        batch_size: int | None = 32,
        max_nodes: int | None = None,
        max_edges: int | None = None,
        first: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if first is not None:
            packed = packed.take(torch.arange(min(first, packed.num_graphs)))
        self.packed = packed
        self.shuffle, self.seed, self.rank, self.world = shuffle, seed, rank, world
        sizes = (torch.ones(packed.num_graphs, dtype=torch.long), packed.ptr.diff(), packed.edge_ptr.diff())
        limits = {"batch_size": batch_size, "max_nodes": max_nodes, "max_edges": max_edges}
        self.limits = [(size, limit) for size, limit in zip(sizes, limits.values(), strict=True) if limit is not None]
        for size, (name, limit) in zip(sizes, limits.items(), strict=True):
            needed = max(1, *size.tolist()) if packed.num_graphs else 1
            if limit is not None and limit < needed:
                raise UsageError(f"loader.{name}={limit} has no room for the largest graph: {needed} at least.")
        if shuffle and world > 1 and world > min(packed.num_graphs, batch_size or packed.num_graphs):
            raise UsageError(
                f"{world} processes cannot share a batch of {batch_size} graphs (loader.batch_size) "
                f"from a training split of {packed.num_graphs}: use fewer processes or a larger batch."
            )

    def num_batches(self, epoch: int = 0) -> int:
        """The batches of `epoch` on this rank, exactly; epochs differ only under `max_nodes` or `max_edges`."""
        return len(self._plan(epoch)[1])

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from number `start` on; those before it are not built."""
        order, bounds = self._plan(epoch)
        if order is None:
            yield from (self.packed.batch(first, last) for first, last in bounds[start:])
            return
        batch_size = (self.packed.num_nodes + self.packed.num_edges) // len(bounds)
        width = 1 + WINDOW // max(1, batch_size)
        for at in range(start, len(bounds), width):
            window = bounds[at : at + width]
            graphs = self.packed.take(torch.cat([order[first:last] for first, last in window]))
            cuts = list(accumulate((last - first for first, last in window), initial=0))
            yield from (graphs.batch(first, last) for first, last in pairwise(cuts))

    def _plan(self, epoch: int) -> tuple[Tensor | None, Bounds]:
        """The order of the graphs (None: as stored), and where in it each batch of this rank begins and ends."""
        count, rank, world = self.packed.num_graphs, self.rank, self.world
        if not self.shuffle or count <= 1:
            first, last = count * rank // world, count * (rank + 1) // world
            return None, [(first + a, first + b) for a, b in self._cut(torch.arange(first, last))]
        order = torch.from_numpy(np.random.default_rng([self.seed, epoch]).permutation(count))
        batches = _at_least(world, self._cut(order))
        return order, [(a + (b - a) * rank // world, a + (b - a) * (rank + 1) // world) for a, b in batches]

    def _cut(self, order: Tensor) -> Bounds:
        """Consecutive batches, each as long as every limit allows."""
        end = torch.full((len(order),), len(order))
        for size, limit in self.limits:
            before = pointers(size[order])
            end = torch.minimum(end, torch.searchsorted(before, before[:-1] + limit, right=True) - 1)
        ends, bounds, first = end.tolist(), [], 0
        while first < len(order):
            bounds.append((first, ends[first]))
            first = ends[first]
        return bounds


def _at_least(least: int, batches: Bounds) -> Bounds:
    """Batches joined until each has `least` graphs."""
    joined: Bounds = []
    first = 0
    for _, last in batches:
        if last - first >= least:
            joined.append((first, last))
            first = last
    joined[-1] = (joined[-1][0], batches[-1][1])
    return joined
