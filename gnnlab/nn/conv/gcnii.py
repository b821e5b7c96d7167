"""GCNII: Chen et al., "Simple and Deep Graph Convolutional Networks", ICML 2020."""

import math

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.gcn import normalised
from gnnlab.nn.linear import Linear
from gnnlab.ops import propagate
from gnnlab.ops.dropout import dropout


class GCNII(Conv):
    """GCNII (Chen et al. 2020): `depth` layers of GCN, each with a share of the first state and nearly the identity.

    h⁰ = x and h^l = ReLU((1 - β_l) g + β_l W_l g) with g = (1 - α) Â Drop(h^{l-1}) + α h⁰, β_l = log(θ / l + 1) and
    GCN's Â, self-loops included; x' = h^depth. The first state is that of this part: with `model.num_layers=1` it is
    the paper's network.
    """

    def __init__(self, dim: int, depth: int = 8, alpha: float = 0.1, theta: float = 0.5, dropout: float = 0.0) -> None:
        super().__init__()
        self.alpha, self.theta, self.dropout = alpha, theta, dropout
        self.linears = nn.ModuleList(Linear(dim, dim, bias=False) for _ in range(depth))

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        weight, root = normalised(batch, edge_weight, x.dtype)
        h = x
        for layer, linear in enumerate(self.linears, start=1):
            h = dropout(h, self.dropout, self.training)
            g = (1 - self.alpha) * propagate(h, batch, edge_weight=weight, root=root) + self.alpha * x
            beta = math.log(self.theta / layer + 1)
            h = ((1 - beta) * g + beta * linear(g)).relu()
        return h, e
