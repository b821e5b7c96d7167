"""Heads: from the last node states, or all of them, to the predictions of the task.

At graph level a head pools first, [N, d] to [B, d]; at node level it works on every node; at edge level on both nodes
of every pair that has a target, side by side: [P, 2 d]. One more head, jumping knowledge, is in `gnnlab.nn.jumping`.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.errors import UsageError
from gnnlab.nn.mlp import MLP
from gnnlab.ops import pool
from gnnlab.ops.linear import Linear
from gnnlab.ops.segment import Readout
from gnnlab.spec import GraphSpec, Level


def read_width(dim: int, level: Level) -> int:
    """The width of what `read` makes of node states of width `dim`."""
    return 2 * dim if level == "edge" else dim


def read(x: Tensor, batch: Batch, level: Level, readout: Readout) -> Tensor:
    """Node states [N, d] to those of what has targets: graphs [B, d], nodes [N, d], or pairs of nodes h_i ‖ h_j."""
    if level == "edge":
        return torch.cat([x.index_select(0, nodes) for nodes in batch.edge_label_index], -1)
    return pool(x, batch, readout) if level == "graph" else x


class Head(nn.Module):
    """States x⁰ … x^L, each [N, dim], to a row of `spec.out_dim` for each graph, node or labelled pair.

    One that does not `reads_between` may be given the last alone, for the layers are faster then.
    """

    reads_between: ClassVar[bool] = True

    def __init__(self, spec: GraphSpec, readout: Readout) -> None:
        super().__init__()
        self.level: Level = spec.level
        self.readout: Readout = readout

    def pool(self, x: Tensor, batch: Batch) -> Tensor:
        """The states of what has targets, see `read`."""
        return read(x, batch, self.level, self.readout)

    @abstractmethod
    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor: ...


class Pyramid(Head):
    """Pool, then width → width/2 → width/4 → out with ReLU (GraphGPS "san_graph", benchmarking-gnns)."""

    reads_between = False

    def __init__(self, dim: int, depth: int, spec: GraphSpec, readout: Readout = "mean") -> None:
        super().__init__(spec, readout)
        width = read_width(dim, spec.level)
        self.mlp = MLP(width, width // 2, width // 4, spec.out_dim)

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        return self.mlp(self.pool(states[-1], batch))


class Flat(Head):
    """Pool, then `layers` linear maps, all but the last of constant width, with ReLU (GraphGPS "default",
    "inductive_node", and "inductive_edge" on pairs).
    """

    reads_between = False

    def __init__(self, dim: int, depth: int, spec: GraphSpec, readout: Readout = "mean", layers: Count = 1) -> None:
        super().__init__(spec, readout)
        self.mlp = MLP(*[read_width(dim, spec.level)] * layers, spec.out_dim)

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        return self.mlp(self.pool(states[-1], batch))


class Depthwise(Head):
    """One linear map per depth, the input states included, of the pooled states, summed (GIN, Xu et al. 2019)."""

    def __init__(self, dim: int, depth: int, spec: GraphSpec, readout: Readout = "sum") -> None:
        super().__init__(spec, readout)
        width = read_width(dim, spec.level)
        self.linears = nn.ModuleList(Linear(width, spec.out_dim) for _ in range(depth + 1))

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        outs = [linear(self.pool(x, batch)) for linear, x in zip(self.linears, states, strict=True)]
        return torch.stack(outs).sum(0)


class Dot(Head):
    """Scores of a pair of nodes: (W h_i) · (W h_j), with `layers` linear maps W (GraphGPS "inductive_edge", "dot").

    One W for each target, all but the last map shared.
    """

    reads_between = False
    needs: ClassVar[tuple[str, ...]] = ("edge_level",)

    def __init__(self, dim: int, depth: int, spec: GraphSpec, layers: Count = 1) -> None:
        if spec.level != "edge":
            raise UsageError(
                f"model/head=dot scores pairs of nodes, and the targets of {spec.name} are of {spec.level}s: take "
                "model/head=pyramid."
            )
        super().__init__(spec, "mean")
        self.out_dim = spec.out_dim
        self.mlp = MLP(*[dim] * layers, dim * spec.out_dim)

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        first, second = self.pool(self.mlp(states[-1]), batch).chunk(2, -1)
        return (first * second).unflatten(-1, (self.out_dim, -1)).sum(-1)
