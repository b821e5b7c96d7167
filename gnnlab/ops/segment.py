"""Reductions of edges into nodes and of nodes into graphs.

Shapes: messages [E, d], edge_weight [E], x [N, d].
"""

from typing import Literal

import torch
from torch import Tensor

from gnnlab.batch import Batch

Readout = Literal["sum", "mean", "max"]


def aggregate(messages: Tensor, batch: Batch, edge_weight: Tensor | None = None) -> Tensor:
    """Sum of the messages into each node, Σ_j w_ij m_ij: [E, d] to [N, d]; zero without in-edges."""
    if edge_weight is not None:
        messages = messages * edge_weight.unsqueeze(-1)
    out = messages.new_zeros(batch.num_nodes, messages.shape[-1])
    return out.index_add(0, batch.edge_index[1], messages)


def degree(batch: Batch, end: Literal["in", "out"], edge_weight: Tensor | None = None) -> Tensor:
    """[N] float: the weights of a node's in- or out-edges summed up, their number without weights."""
    if edge_weight is None:
        return (batch.rowptr if end == "in" else batch.colptr).diff().to(torch.get_default_dtype())
    row = 1 if end == "in" else 0
    return edge_weight.new_zeros(batch.num_nodes).index_add(0, batch.edge_index[row], edge_weight)


def pool(x: Tensor, batch: Batch, readout: Readout) -> Tensor:
    """Nodes to graphs, [N, d] to [B, d]; a graph without nodes gives zeros."""
    if readout == "max":
        index = batch.batch.unsqueeze(-1).expand_as(x)
        return x.new_zeros(batch.num_graphs, x.shape[-1]).scatter_reduce(0, index, x, "amax", include_self=False)
    total = x.new_zeros(batch.num_graphs, x.shape[-1]).index_add(0, batch.batch, x)
    if readout == "mean":
        total = total / batch.ptr.diff().clamp(min=1).unsqueeze(-1).to(x.dtype)
    return total
