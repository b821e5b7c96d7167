"""All pairs of nodes of the same graph as the edges of a batch: what sparse attention becomes when it is full."""

import torch
from torch import Tensor

from gnnlab.batch import Batch, Real
from gnnlab.ragged import places, pointers


def all_pairs(batch: Batch) -> Batch:
    """The same nodes with an edge j → i for every pair (i, j) of a graph, in the order of `gnnlab.ops.attention`."""
    return batch.once("all_pairs", _all_pairs)


def edge_pairs(batch: Batch) -> Tensor:
    """[E]: the pair (i, j) that the edge j → i is."""
    return batch.once("edge_pairs", _edge_pairs)


def _all_pairs(batch: Batch) -> Batch:
    width = batch.ptr.diff()[batch.batch]
    rowptr = pointers(width)
    target, place = places(width)
    first = batch.ptr[batch.batch[target]]
    source = first + place
    transpose = rowptr[source] + target - first
    real = batch.real
    if real.num_nodes is not None:
        real = Real(real.num_nodes, rowptr[real.num_nodes], real.num_graphs)
    index = torch.stack([source, target])
    return Batch(index, batch.ptr, batch.batch, rowptr, rowptr, transpose, source, batch.max_nodes, real=real)


def _edge_pairs(batch: Batch) -> Tensor:
    source, target = batch.edge_index
    return all_pairs(batch).rowptr[target] + source - batch.ptr[batch.batch[target]]
