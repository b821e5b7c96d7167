"""Heads: from the last node states, or all of them, to the predictions of the task.

At graph level a head pools first, [N, dim] to [B, dim]; at node level it works on every node.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.linear import MLP, Linear
from gnnlab.ops import pool
from gnnlab.ops.segment import Readout
from gnnlab.spec import GraphSpec


class Head(nn.Module):
    """States x⁰ … x^L, each [N, dim], to [B or N, spec.out_dim]."""

    def __init__(self, spec: GraphSpec, readout: Readout) -> None:
        super().__init__()
        self.level = spec.level
        self.readout: Readout = readout

    def pool(self, x: Tensor, batch: Batch) -> Tensor:
        """Graph states at graph level, the node states themselves at node level."""
        return pool(x, batch, self.readout) if self.level == "graph" else x

    @abstractmethod
    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor: ...


class Pyramid(Head):
    """Pool, then dim → dim/2 → dim/4 → out with ReLU (GraphGPS "san_graph", benchmarking-gnns)."""

    def __init__(self, dim: int, depth: int, spec: GraphSpec, readout: Readout = "mean") -> None:
        super().__init__(spec, readout)
        self.mlp = MLP(dim, dim // 2, dim // 4, spec.out_dim)

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        return self.mlp(self.pool(states[-1], batch))


class Flat(Head):
    """Pool, then `layers` linear maps, all but the last dim → dim with ReLU (GraphGPS "default", "inductive_node")."""

    def __init__(self, dim: int, depth: int, spec: GraphSpec, readout: Readout = "mean", layers: int = 1) -> None:
        super().__init__(spec, readout)
        self.mlp = MLP(*[dim] * layers, spec.out_dim)

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        return self.mlp(self.pool(states[-1], batch))


class Depthwise(Head):
    """One linear map per depth, the input states included, of the pooled states, summed (GIN, Xu et al. 2019)."""

    def __init__(self, dim: int, depth: int, spec: GraphSpec, readout: Readout = "sum") -> None:
        super().__init__(spec, readout)
        self.linears = nn.ModuleList(Linear(dim, spec.out_dim) for _ in range(depth + 1))

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        outs = [linear(self.pool(x, batch)) for linear, x in zip(self.linears, states, strict=True)]
        return torch.stack(outs).sum(0)
