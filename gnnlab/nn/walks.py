"""Random walks from every node, and the subgraphs that sets of nodes induce.

Which way a walk goes depends on the seed, on the places of its graph's nodes by degree (`gnnlab.nn.order`), and on
nothing else: not on other graphs, and on the numbers of nodes only among those of equal degree.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from gnnlab.batch import Batch, Real
from gnnlab.nn.order import by_degree, inverse, lexsort, random_words
from gnnlab.ragged import places, pointers


def walk(batch: Batch, count: int, length: int, seed: Tensor) -> Tensor:
    """The nodes on `count` walks from each node, the start included: [N, count, length + 1].

    Every step takes one of the edges out of a node, all alike; without any, the walk stays where it is.
    """
    rank = inverse(by_degree(batch))
    source, target = batch.edge_index
    leaving = target[lexsort(source, rank[target])]
    degree = batch.colptr.diff()
    place = rank - batch.ptr[batch.batch]
    number = place.unsqueeze(-1) * count + torch.arange(count, device=place.device)
    nodes = [torch.arange(batch.num_nodes, device=place.device).unsqueeze(-1).expand(-1, count)]
    for step in range(length):
        here = nodes[-1]
        chosen = batch.colptr[here] + (random_words(seed, number, step) * degree[here] >> 32)
        there = pad(leaving, (0, 1))[chosen.clamp(max=len(leaving))]
        nodes.append(torch.where(degree[here] > 0, there, here))
    return torch.stack(nodes, -1)


def induced(batch: Batch, sets: Tensor) -> tuple[Batch, Tensor, Tensor]:
    """The subgraphs of the sets of nodes `sets` [N, T, k] as a batch of N·T graphs, in which no node comes twice.

    Also, the node of each of its rows and the edge of each of its edges in `batch`.
    """
    n, owner = batch.num_nodes, torch.arange(sets.shape[0] * sets.shape[1], device=sets.device)
    key = (owner.unsqueeze(-1) * n + sets.flatten(0, 1)).unique()  # ascending: sets in order, their nodes too
    token, node = key // n, key % n
    degree = batch.rowptr.diff()[node]
    row, place = places(degree)
    edge = batch.rowptr[node[row]] + place
    wanted = token[row] * n + batch.edge_index[0][edge]
    source = torch.searchsorted(key, wanted).clamp(max=len(key) - 1)
    there = key[source] == wanted
    source, row, edge = source[there], row[there], edge[there]
    transpose = source.argsort(stable=True)

    ptr, rowptr, colptr = (
        pointers(torch.bincount(index, minlength=rows))
        for index, rows in ((token, len(owner)), (row, len(key)), (source, len(key)))
    )
    real = Real()
    if batch.real.num_nodes is not None:
        graphs = batch.real.num_nodes * sets.shape[1]
        rows = ptr[graphs]
        real = Real(rows, rowptr[rows], graphs)
    arrays = torch.stack([source, row]), ptr, token, rowptr, colptr, transpose, row[transpose]
    return Batch(*arrays, max_nodes=sets.shape[2], real=real), node, edge
