"""Random edges: the baseline that every sparsifier has to beat."""

import torch
from torch import Tensor

from gnnlab.bounds import Share
from gnnlab.packed import Packed
from gnnlab.sparsifiers.ranked import Ranked
from gnnlab.sparsifiers.undirected import pairs


class Random(Ranked):
    """A random share of every graph's edges, by the run's seed. A smaller share is a part of a larger one."""

    def __init__(self, keep: Share, seed: int = 0) -> None:
        super().__init__(keep)
        self.seed = seed

    def score(self, graphs: Packed) -> Tensor:
        """Fixed by the seed and by the place, among the edges of its graph, of the first edge of a pair."""
        pair, edge = pairs(graphs)
        place = edge - graphs.edge_ptr[graphs.graph_of_edge[edge]]
        drawn = torch.rand(
            int(graphs.edge_ptr.diff().max()) if graphs.num_graphs else 0,
            generator=torch.Generator().manual_seed(self.seed),
        )
        return drawn[place][pair]
