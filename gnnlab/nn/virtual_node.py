"""Virtual node: Gilmer et al., "Neural Message Passing for Quantum Chemistry", ICML 2017.

As the Open Graph Benchmark (Hu et al., NeurIPS 2020) and GraphGPS have it: a state u [B, d] for each graph, kept
beside the states x [N, d] of its nodes.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.linear import Linear
from gnnlab.ops import Around, pool
from gnnlab.ops.batchnorm import BatchNorm

Pooling = Literal["sum", "mean"]


class VirtualNode(nn.Module):
    """u⁰, learnt and zero at first, and an update of u after each of `depth` layers but the last.

    Every layer reads x_i + u of the node's graph. `pooling` puts a graph's nodes together; a sum grows with the graph.
    """

    def __init__(self, dim: int, depth: int, pooling: Pooling = "sum", dropout: float = 0.0) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(dim))
        self.updates = nn.ModuleList(Update(dim, pooling, dropout) for _ in range(depth - 1))

    def forward(self, batch: Batch) -> Tensor:
        """u⁰ of every graph: [B, d]."""
        return self.start.repeat(batch.num_graphs, 1)


class Update(nn.Module):
    """u' = Drop(MLP(u + Σ_i x_i)), or the mean of x_i, with MLP = Linear, BatchNorm, ReLU, twice: [B, d]."""

    def __init__(self, dim: int, pooling: Pooling, dropout: float) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.linears = nn.ModuleList(Linear(dim, dim) for _ in range(2))
        self.norms = nn.ModuleList(BatchNorm(dim) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, u: Tensor, x: Tensor, batch: Batch) -> Tensor:
        u = u + pool(x, batch, self.pooling)
        for linear, norm in zip(self.linears, self.norms, strict=True):
            u = norm(linear(u), around=Around(relu=True), rows=batch.real.num_graphs)
        return self.dropout(u)
