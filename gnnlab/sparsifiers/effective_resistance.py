"""Edges by effective resistance: Spielman & Srivastava, "Graph Sparsification by Effective Resistances", 2011."""

import torch
from torch import Tensor

from gnnlab.encodings.dense import one_thread
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.sparsifiers import resistance
from gnnlab.sparsifiers.ranked import Ranked
from gnnlab.sparsifiers.undirected import pairs


class EffectiveResistance(Ranked):
    """The edges of greatest effective resistance (Spielman & Srivastava 2011): bridges, of resistance 1, stay first.

    Theirs draws edges by resistance and weighs them up; here the greatest stay as they are, as in every sparsifier.
    Exact for graphs of up to `exact` nodes, estimated from `projections` random projections for larger ones.
    """

    def __init__(self, keep: float, exact: int = 4000, projections: int = 64) -> None:
        super().__init__(keep)
        if projections < 1:
            raise UsageError(f"sparsifier.projections={projections} must be at least 1.")
        self.exact, self.projections = exact, projections

    def score(self, graphs: Packed) -> Tensor:
        """Graph by graph; in float32, so that resistances equal but for rounding are equal."""
        pair, edge = pairs(graphs)
        owner = graphs.graph_of_edge[edge]
        ends = graphs.edge_index[:, edge] - graphs.ptr[owner]
        counts = torch.bincount(owner, minlength=graphs.num_graphs).tolist()
        with one_thread():
            found = [
                self.resistances(own, nodes)
                for own, nodes in zip(ends.split(counts, 1), graphs.ptr.diff().tolist(), strict=True)
            ]
        return torch.cat([torch.zeros(0), *found]).float()[pair]

    def resistances(self, ends: Tensor, num_nodes: int) -> Tensor:
        """[m] of the pairs `ends` [2, m] of one graph."""
        if num_nodes <= self.exact:
            return resistance.exact(ends, num_nodes)
        return resistance.estimated(ends, num_nodes, self.projections)
