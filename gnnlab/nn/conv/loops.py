"""What attention over edges needs beside its ops: a loop at every node."""

import torch
from torch import Tensor

from gnnlab.batch import Batch


def add_loops(
    batch: Batch, edge: Tensor | None, edge_weight: Tensor | None
) -> tuple[Batch, Tensor | None, Tensor | None]:
    """The batch with an edge from every node to itself, after the node's other in-edges (and out-edges).

    `edge` [E, d] becomes [E + N, d] with zeros for the loops, `edge_weight` [E] becomes [E + N] with ones. Loops in the
    data stay beside the new ones. The new batch has no attributes.
    """
    looped, place = batch.once("with loops", _with_loops)

    def spread(values: Tensor, loop: float) -> Tensor:
        wide = values.new_full((looped.num_edges, *values.shape[1:]), loop)
        return wide.index_copy(0, place, values)

    edge = None if edge is None else spread(edge, 0.0)
    return looped, edge, None if edge_weight is None else spread(edge_weight, 1.0)


def _with_loops(batch: Batch) -> tuple[Batch, Tensor]:
    """The batch, and where in it the old edges are [E]."""
    nodes = torch.arange(batch.num_nodes, device=batch.ptr.device)
    before = torch.arange(batch.num_nodes + 1, device=batch.ptr.device)
    # An edge into node i has the loops of the i nodes before it ahead of it; likewise one out of i, sorted by source.
    place = torch.arange(batch.num_edges, device=batch.ptr.device) + batch.edges.target
    loops = batch.rowptr[1:] + nodes

    def merge(at: Tensor, old: Tensor, at_loops: Tensor, new: Tensor) -> Tensor:
        out = old.new_empty(batch.num_edges + batch.num_nodes)
        return out.index_copy(0, at, old).index_copy(0, at_loops, new.to(old.dtype))

    leaving = torch.arange(batch.num_edges, device=batch.ptr.device) + batch.edges.source[batch.transpose]
    out_loops = batch.colptr[1:] + nodes
    real = batch.real.num_edges
    if batch.real.num_nodes is not None and real is not None:
        real = real + batch.real.num_nodes
    source, target = (merge(place, row, loops, nodes) for row in batch.edge_index)
    looped = Batch(
        torch.stack([source, target]),
        batch.ptr,
        batch.batch,
        batch.rowptr + before,
        batch.colptr + before,
        merge(leaving, place[batch.transpose].to(batch.transpose.dtype), out_loops, loops),
        merge(leaving, batch.out_target, out_loops, nodes),
        batch.max_nodes,
        real=batch.real._replace(num_edges=real),
    )
    return looped, place
