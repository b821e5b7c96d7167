"""Spanning forests of many graphs at once."""

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor

from gnnlab.packed import Packed
from gnnlab.sparsifiers.undirected import pairs


def forest(graphs: Packed, score: Tensor) -> Tensor:
    """[E] bool: the edges, in both directions, of a spanning forest of greatest score; of equal edges one is taken.

    The score of a pair is that of its first edge. Directions do not matter.
    """
    pair, edge = pairs(graphs)
    source, target = (row[edge].numpy() for row in graphs.edge_index)
    worth = score[edge].double()
    rank = torch.empty(len(edge), dtype=torch.double)
    rank[worth.argsort(descending=True, stable=True)] = torch.arange(1.0, len(edge) + 1, dtype=torch.double)
    ends = np.minimum(source, target), np.maximum(source, target)
    chosen = minimum_spanning_tree(csr_array((rank.numpy(), ends), shape=(graphs.num_nodes,) * 2))
    taken = torch.zeros(len(edge) + 1, dtype=torch.bool)
    taken[torch.from_numpy(chosen.data).long()] = True
    return taken[rank.long()][pair]
