"""Mini-batches of a large graph's nodes with samples of their neighbourhoods: Hamilton et al., "Inductive
Representation Learning on Large Graphs", NeurIPS 2017 (GraphSAGE).

Of a node first reached at hop k, at most fanouts[k] of the incoming edges are drawn, without replacement (-1: all of
them). A model of as many layers as hops, whose layers read in-neighbours alone, says of the nodes asked for what it
says of them in the whole graph, where no in-degree exceeds its fan-out. One that reads the in-degrees of in-neighbours
(MoNet) needs one hop more; what reads out-degrees (GCN) or all nodes (mixers, virtual nodes, batch norm in training)
has those of the sample. Over several processes each samples around its part of the nodes.
"""

import ctypes
import mmap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.datasets.loader import Loader
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.ragged import ranges


class NeighbourLoader(Loader):
    """Sampled neighbourhoods for training on a large graph (GraphSAGE; Hamilton et al. 2017).

    A batch is the subgraph of the edges drawn for `batch_size` nodes of the split, which its `mask` marks; `fanouts`:
    edges drawn for a node, hop by hop. `eval_fanouts`: the same in evaluation, null: it is on the whole graph at once.
    `limit`: that many nodes, evenly spread over the split. The batches of an epoch depend on (seed, epoch) alone;
    over `world` processes each is cut into as many parts. Only rows that are drawn are read: features may be mapped
    from a file that is larger than memory.
    """

    needs: ClassVar[tuple[str, ...]] = ("node_level", "one_graph")
    gives: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        packed: Packed,
        fanouts: Sequence[int] = (15, 10),
        eval_fanouts: Sequence[int] | None = None,
        batch_size: Count = 1024,
        limit: Count | None = None,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(packed, batch_size=None, shuffle=shuffle, seed=seed, rank=rank, world=world)
        for name, given in (("fanouts", fanouts), ("eval_fanouts", fanouts if eval_fanouts is None else eval_fanouts)):
            if not given or any(fanout < 1 and fanout != -1 for fanout in given):
                raise UsageError(
                    f"loader.{name}={list(given)}: a number of edges for each hop, such as [15,10]; -1 for all of them."
                )
        if packed.num_graphs != 1:
            raise UsageError(
                f"loader=neighbours samples in one graph, and this split has {packed.num_graphs}: take loader=graphs."
            )
        self.sampling = (fanouts, eval_fanouts, batch_size, limit, shuffle, seed, rank, world)
        self.fanouts, self.batch_size = fanouts if shuffle else eval_fanouts, batch_size
        mask = packed.node.get("mask", torch.ones(packed.num_nodes, dtype=torch.bool))
        nodes = mask.numpy().nonzero()[0]
        count = len(nodes) if limit is None else min(limit, len(nodes))
        self.asked_for = nodes[np.arange(count) * len(nodes) // max(1, count)]
        if limit is not None and not self.fanouts:
            asked_for = torch.from_numpy(self.asked_for)
            self.packed = packed.with_node(mask=torch.zeros_like(mask).index_fill(0, asked_for, True))
        for value in (packed.edge_index, *packed.node.values(), *packed.edge.values()):
            read_here_and_there(value)

    def over(self, packed: Packed) -> "NeighbourLoader":
        """The same loader over another graph."""
        return NeighbourLoader(packed, *self.sampling)

    def num_batches(self, epoch: int = 0) -> int:
        return -(-len(self.asked_for) // self.batch_size) if self.fanouts else super().num_batches(epoch)

    def sample(self) -> list[Batch]:
        """Its first batch; the FLOPs of a result are then of such a batch."""
        return [next(self.epoch(0))]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` from number `start` on; those before it are not drawn."""
        if not self.fanouts:
            yield from super().epoch(epoch, start)
            return
        order = self.asked_for
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(order)
        for number in range(start, self.num_batches()):
            nodes = order[number * self.batch_size :][: self.batch_size]
            mine = nodes[self._share(0, len(nodes), self.rank) : self._share(0, len(nodes), self.rank + 1)]
            yield self._around(mine, self.fanouts, np.random.default_rng([self.seed, epoch, number, self.rank]))

    def _around(self, asked: NDArray, fanouts: Sequence[int], random: np.random.Generator) -> Batch:
        """The batch of the neighbourhoods of nodes `asked`; nodes and edges keep their order."""
        graph, sources = self.packed, self.packed.edge_index[0].numpy()
        seen, mask, drawn = np.zeros(graph.num_nodes, bool), np.zeros(graph.num_nodes, bool), [np.empty(0, np.int64)]
        mask[asked] = seen[asked] = True
        frontier = asked
        for fanout in fanouts:
            drawn.append(draw(graph.rowptr.numpy(), frontier, fanout, random))
            reached = np.unique(sources[drawn[-1]])
            frontier = reached[~seen[reached]]
            seen[frontier] = True
        nodes, edges = torch.from_numpy(seen.nonzero()[0]), torch.from_numpy(np.sort(np.concatenate(drawn)))
        sampled = Packed.from_tensors(
            torch.tensor([len(nodes)] if len(asked) else []).long(),
            torch.tensor([len(edges)] if len(asked) else []).long(),
            torch.searchsorted(nodes, graph.edge_index[:, edges].contiguous()),
            {name: value[nodes] for name, value in graph.node.items()} | {"mask": torch.from_numpy(mask)[nodes]},
            {name: value[edges] for name, value in graph.edge.items()},
        )
        return sampled.batch()


def read_here_and_there(value: Tensor) -> None:
    """Where `value` lies in a file, have the system read the pages asked for and none around them."""
    size = mmap.PAGESIZE
    first, last = -(-value.data_ptr() // size) * size, (value.data_ptr() + value.nbytes) // size * size
    with suppress(AttributeError, OSError, TypeError):  # a system without it reads more, and as well
        if first < last:
            ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_RANDOM)


def draw(rowptr: NDArray, nodes: NDArray, fanout: int, random: np.random.Generator) -> NDArray:
    """Edges into each of `nodes`: all where they are at most `fanout` or it is -1, else `fanout`, each set as likely.

    By Floyd's algorithm, for all nodes at once (Bentley and Floyd, "A Sample of Brilliance", CACM 1987): the i-th pick
    is among the first d − fanout + i edges, and is the last of these if it was taken before.
    """
    first, degree = rowptr[nodes], rowptr[nodes + 1] - rowptr[nodes]
    few = (degree <= fanout) | (fanout < 0)
    everything, _ = ranges(torch.from_numpy(first[few]), torch.from_numpy(degree[few]))
    first, degree = first[~few], degree[~few]
    picks = np.empty((len(first), max(fanout, 0)), np.int64)
    for i in range(fanout):
        last = degree - fanout + i
        pick = random.integers(0, last + 1)
        taken = (picks[:, :i] == pick[:, None]).any(1)
        picks[:, i] = np.where(taken, last, pick)
    return np.concatenate([everything.numpy(), (first[:, None] + picks).ravel()])
