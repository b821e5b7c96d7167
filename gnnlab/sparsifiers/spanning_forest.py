"""A spanning forest, which keeps all that is connected connected, and random edges beside it."""

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor

from gnnlab.packed import Packed
from gnnlab.sparsifiers.random import Random
from gnnlab.sparsifiers.undirected import pairs


class SpanningForest(Random):
    """A spanning forest drawn by the run's seed, then random edges, up to the share `keep`.

    While `keep` has room for the forest, n − c of the edges of a graph of n nodes and c components, nothing is torn
    apart; below that the forest loses random edges too. A smaller share is a part of a larger one.
    """

    def score(self, graphs: Packed) -> Tensor:
        drawn = super().score(graphs)
        return drawn + forest(graphs, drawn)


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
