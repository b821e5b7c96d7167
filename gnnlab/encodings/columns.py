"""Networks on many columns at once: each graph times a number of columns of its own, without padding.

A row is a pair (node i, column j); rows lie node after node. Each edge of the graph appears once in each column, so a
message-passing layer on the rows runs on every column by itself. With the nodes as columns, the rows are
the pairs of nodes of the same graph, in the order of `gnnlab.ops.attention`: what pair encodings live on.
"""

import torch
from torch import Tensor

from gnnlab.batch import Batch, Real
from gnnlab.ragged import places, pointers


def node_pairs(batch: Batch) -> Batch:
    """The rows (i, j) of all nodes i, j of the same graph."""
    return batch.once("node_pairs", lambda batch: columns(batch, batch.ptr.diff()))


def columns(batch: Batch, counts: Tensor) -> Batch:
    """Rows [P] of `counts` [B] columns for each node of a graph, and the edges between them, as a batch.

    Its graphs are the nodes of `batch`: `batch` [P] is a row's node, `node["column"]` [P] its column from 0 on, and
    `pool` reduces the columns of each node.
    """
    width = counts[batch.batch]
    first = pointers(width)
    node, column = places(width)

    def edges(ptr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pointers of the rows, and for each of their edges its row and its number among those of `batch`."""
        degree = ptr.diff()[node]
        of, place = places(degree)
        return pointers(degree), of, ptr[node[of]] + place

    rowptr, target, edge = edges(batch.rowptr)
    source = first[batch.edge_index[0][edge]] + column[target]
    colptr, leaving, place = edges(batch.colptr)
    out_node = batch.out_target[place]
    out_target = first[out_node] + column[leaving]
    transpose = rowptr[out_target] + batch.transpose[place] - batch.rowptr[out_node]
    real = Real()
    if batch.real.num_nodes is not None:
        rows = first[batch.real.num_nodes]
        real = Real(rows, rowptr[rows], batch.real.num_nodes)
    index = torch.stack([source, target])
    arrays = (index, first, node, rowptr, colptr, transpose, out_target)
    return Batch(*arrays, max_nodes=batch.max_nodes, node={"column": column}, real=real)
