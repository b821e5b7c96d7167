"""Virtual nodes, which join all nodes of a graph: Gilmer et al., "Neural Message Passing for Quantum Chemistry", ICML
2017.

Near to that of the Open Graph Benchmark (Hu et al., NeurIPS 2020), which pools a layer's input, through a width of 2d:
a state u [B, d] for each graph, kept beside the states x [N, d] of its nodes. For the other form, a node of the graph:
see `gnnlab.nn.hub`.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.gate import Gate
from gnnlab.nn.hub import Hub
from gnnlab.ops import Around, pool
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.linear import Linear
from gnnlab.ops.recorded.one_node import one_node

Pooling = Literal["sum", "mean"]
Virtual = Literal["none", "sum", "mean", "node", "only"]


def make_virtual_node(name: Virtual, dim: int, depth: int, dropout: float) -> nn.Module | None:
    """A state that reads the nodes' sum or mean; a node joined to all others ("node"), with no other edges ("only")."""
    if name == "none":
        return None
    if depth < 1:
        raise UsageError(f"model.virtual_node={name} is read by layers: model.num_layers={depth} has to be 1 at least.")
    if name == "sum" or name == "mean":
        return VirtualNode(dim, depth, name, dropout)
    return Hub(dim, alone=name == "only")


class VirtualNode(nn.Module):
    """u⁰, learnt and zero at first, and an update of u after each of `depth` layers but the last.

    Every layer reads x_i + u of the node's graph. `pooling`: how u reads a graph's nodes; a sum grows with the graph.
    """

    def __init__(self, dim: int, depth: int, pooling: Pooling = "sum", dropout: float = 0.0) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(dim))
        self.updates = nn.ModuleList(Update(dim, pooling, dropout) for _ in range(depth - 1))

    def forward(
        self, layers: Iterable[nn.Module], x: Tensor, e: Tensor | None, batch: Batch, gate: Gate
    ) -> list[Tensor]:
        """The states [N, d] of the nodes after 0, 1, … of the `layers`."""
        u, states = self.start.repeat(batch.num_graphs, 1), [x]
        for index, (layer, update) in enumerate(zip(layers, [*self.updates, None], strict=True)):
            x, e = one_node(layer, x + u.index_select(0, batch.batch), e, batch, gate(index, x))
            states.append(x)
            u = u if update is None else update(u, x, batch)
        return states


class Update(nn.Module):
    """u' = Drop(MLP(u + Σ_i x_i)), or the mean of x_i, with MLP = Linear, BatchNorm, ReLU, twice: [B, d]."""

    def __init__(self, dim: int, pooling: Pooling, dropout: float) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.linears = nn.ModuleList(Linear(dim, dim) for _ in range(2))
        self.norms = nn.ModuleList(BatchNorm(dim) for _ in range(2))
        self.dropout = Dropout(dropout)

    def forward(self, u: Tensor, x: Tensor, batch: Batch) -> Tensor:
        u = u + pool(x, batch, self.pooling)
        for linear, norm in zip(self.linears, self.norms, strict=True):
            u = norm(linear(u), around=Around(relu=True), rows=batch.real.num_graphs)
        return self.dropout(u)
