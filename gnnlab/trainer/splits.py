"""What methods need to know of splits: a loader whose graphs change as a model learns, and which are of one graph."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.packed import Packed
from gnnlab.trainer.protocols import SplitLoader


class Changing:
    """A loader of graphs that follow from what has been learnt at the time it is asked.

    They are `change(graphs, found)` of those of the `loader` underneath, with `found = find(graphs)`; they and their
    loader are made anew where that has changed.
    """

    def __init__(
        self, loader: SplitLoader, find: Callable[[Packed], Tensor], change: Callable[[Packed, Tensor], Packed]
    ) -> None:
        self.loader, self.find, self.change = loader, find, change
        self.made: tuple[Tensor, SplitLoader] | None = None

    @property
    def now(self) -> SplitLoader:
        """The loader of the graphs as they are now."""
        graphs = self.loader.packed
        found = self.find(graphs)
        if self.made is None or not torch.equal(self.made[0], found):
            self.made = found, self.loader.over(self.change(graphs, found))
        return self.made[1]

    @property
    def packed(self) -> Packed:
        return self.now.packed

    @property
    def world(self) -> int:
        """The processes that its batches are cut for."""
        return getattr(self.loader, "world", 1)

    def over(self, packed: Packed) -> "Changing":
        return Changing(self.loader.over(packed), self.find, self.change)

    def num_batches(self, epoch: int = 0) -> int:
        return self.now.num_batches(epoch)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        return self.now.epoch(epoch, start)

    def sample(self) -> list[Batch]:
        return self.now.sample()


def storage(graphs: Packed) -> tuple[tuple[int, torch.Size], ...]:
    """Where edges and features lie in memory: the same for splits that are parts of one graph."""
    return tuple((part.data_ptr(), part.shape) for part in (graphs.edge_index, graphs.node.get("x", graphs.ptr)))
