"""GCNII: Chen et al., "Simple and Deep Graph Convolutional Networks", ICML 2020."""

import math

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Positive, Probability
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.gcn import normalised
from gnnlab.nn.dropout import Dropout
from gnnlab.ops import propagate
from gnnlab.ops.linear import Linear


class GCNIILayer(nn.Module):
    """`x` = h^{l-1} and `start` = h⁰ [N, d] to h^l = ReLU((1 - β_l) g + β_l W_l g) with g = (1 - α) Â h^{l-1} + α h⁰.

    `alpha`: the share of the first state; `beta`: log(θ / l + 1), how far from the identity. Â is GCN's, self-loops
    included, edge weights in it.
    """

    def __init__(self, dim: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta
        self.linear = Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, start: Tensor, batch: Batch, edge_weight: Tensor | None) -> Tensor:
        weight, root = normalised(batch, edge_weight, x.dtype)
        g = (1 - self.alpha) * propagate(x, batch, edge_weight=weight, root=root) + self.alpha * start
        return ((1 - self.beta) * g + self.beta * self.linear(g)).relu()


def gcnii_layers(dim: int, depth: int, alpha: float, theta: float) -> list[GCNIILayer]:
    """Layers 1 … `depth`."""
    return [GCNIILayer(dim, alpha, math.log(theta / layer + 1)) for layer in range(1, depth + 1)]


class GCNII(Conv):
    """GCNII (Chen et al. 2020): `depth` layers of GCN, each with a share of the first state and nearly the identity.

    h⁰ = x, and x' = h^depth of its layers, with dropout before each. `model=gcnii` is the whole network.
    """

    def __init__(
        self, dim: int, depth: int = 8, alpha: Probability = 0.1, theta: Positive = 0.5, dropout: Probability = 0.0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(gcnii_layers(dim, depth, alpha, theta))
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        h = x
        for layer in self.layers:
            h = layer(self.dropout(h), x, batch, edge_weight)
        return h, e
