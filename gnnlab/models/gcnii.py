"""GCNII: Chen et al., "Simple and Deep Graph Convolutional Networks", ICML 2020.

h⁰ = ReLU(x⁰) of the embedded features x⁰, and h^l = ReLU((1 − β_l) g + β_l W_l g) with
g = (1 − α) Â Drop(h^{l−1}) + α h⁰, β_l = log(θ / l + 1) and GCN's Â, self-loops included. `model/conv=gcnii` has all of
its layers in one; here each is a layer of the model, which an aggregation policy can tell from the others.
"""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings.base import Encoding
from gnnlab.nn.conv.gcn import normalised
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.embedding import NodeEmbedding
from gnnlab.nn.head import Head
from gnnlab.nn.linear import Linear
from gnnlab.nn.stack import Stack
from gnnlab.ops import propagate
from gnnlab.spec import GraphSpec


class GCNII(Stack):
    """GCNII (Chen et al. 2020): a deep GCN whose layers keep a share of the first state, with maps near the identity.

    `Batch` to [B, N or P, spec.out_dim]. `alpha`: the share of the first state; `theta`: how far from the identity.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight",)

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        head: Callable[..., Head],
        hidden_dim: int = 64,
        num_layers: int = 8,
        dropout: float = 0.0,
        alpha: float = 0.1,
        theta: float = 0.5,
    ) -> None:
        nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add")
        layers = [GCNIILayer(hidden_dim, alpha, math.log(theta / layer + 1)) for layer in range(1, num_layers + 1)]
        super().__init__(nodes, None, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))
        self.dropout = Dropout(dropout)

    def forward(self, batch: Batch) -> Tensor:
        x = start = self.dropout(self.nodes(batch)).relu()
        states, gate = [x], self.gate(batch)
        for index, layer in enumerate(self.layers):
            x = layer(self.dropout(x), start, batch, gate(index, x))
            states.append(x)
        return self.head([*states[:-1], self.dropout(x)], batch)


class GCNIILayer(nn.Module):
    """The states h^{l−1} and h⁰ [N, d] to h^l."""

    def __init__(self, dim: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta
        self.linear = Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, start: Tensor, batch: Batch, edge_weight: Tensor | None) -> Tensor:
        weight, root = normalised(batch, edge_weight, x.dtype)
        g = (1 - self.alpha) * propagate(x, batch, edge_weight=weight, root=root) + self.alpha * start
        return ((1 - self.beta) * g + self.beta * self.linear(g)).relu()
