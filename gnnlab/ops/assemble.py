"""Batches of chosen graphs: the rows of each graph copied out of a packed split, one graph after the other.

On the CPU only: that is where splits live.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from gnnlab import labelled_pairs
from gnnlab.batch import Batch
from gnnlab.ops import backend
from gnnlab.packed import Packed

WINDOW = 1 << 15
"""Nodes and edges that the reference gathers at once, about: so few that torch stays in the cache and on one thread."""

Bounds = Sequence[tuple[int, int]]


def assemble(graphs: Packed, order: Tensor, bounds: Bounds) -> Iterator[Batch]:
    """For each (first, last) of `bounds`, the graphs order[first] … order[last−1] as a batch; `order` [n] int64."""
    if backend.mode() == "reference" or not backend.load():
        yield from reference(graphs, order, bounds)
        return
    kinds = (graphs.node, graphs.edge, graphs.graph)
    index = (
        *(graphs.ptr, graphs.edge_ptr, graphs.edge_index),
        *(graphs.rowptr, graphs.colptr, graphs.transpose, graphs.out_target),
    )
    store = [value.contiguous() for value in index]
    attributes = [[value.contiguous() for value in kind.values()] for kind in kinds]
    call = torch.ops.gnnlab.assemble.default._op
    for first, last in bounds:
        arrays, *made, largest = call(order, first, last, *store, *attributes)
        node, edge, graph = (dict(zip(kind, values, strict=True)) for kind, values in zip(kinds, made, strict=True))
        batch = Batch(*arrays, max_nodes=largest, node=node, edge=edge, graph=graph)
        if graphs.pair:
            chosen = labelled_pairs.take(graphs.pair, order[first:last])
            batch.pair = labelled_pairs.batch(chosen, 0, last - first, batch.ptr)
        yield batch


def reference(graphs: Packed, order: Tensor, bounds: Bounds) -> Iterator[Batch]:
    """The same in plain torch: several batches are taken at once, and each is a slice of what was taken."""
    chosen = sum(last - first for first, last in bounds)
    rows = (graphs.num_nodes + graphs.num_edges) * chosen // max(1, graphs.num_graphs * len(bounds))
    width = 1 + WINDOW // max(1, rows)
    for at in range(0, len(bounds), width):
        window = bounds[at : at + width]
        taken = graphs.take(torch.cat([order[first:last] for first, last in window]))
        cuts = list(accumulate((last - first for first, last in window), initial=0))
        yield from (taken.batch(first, last) for first, last in pairwise(cuts))
