"""A spanning forest, which keeps all that is connected connected, and random edges beside it."""

from torch import Tensor

from gnnlab.packed import Packed
from gnnlab.sparsifiers.forest import forest
from gnnlab.sparsifiers.random import Random


class SpanningForest(Random):
    """A spanning forest drawn by the run's seed, then random edges, up to the share `keep`.

    While `keep` has room for the forest, n − c of the edges of a graph of n nodes and c components, nothing is torn
    apart; below that the forest loses random edges too. A smaller share is a part of a larger one.
    """

    def score(self, graphs: Packed) -> Tensor:
        drawn = super().score(graphs)
        return drawn + forest(graphs, drawn)
