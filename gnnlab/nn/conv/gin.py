"""GIN: Xu et al., "How Powerful are Graph Neural Networks?", ICLR 2019."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import Around, propagate
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.linear import Linear


class GIN(Conv):
    """GIN (Xu et al. 2019): x_i' = MLP((1 + ε) x_i + Σ_j w_ij x_j), MLP = Linear, BatchNorm, ReLU, Linear.

    ε is learnt, w_ij the weight of an edge, else 1.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.first = Linear(dim, dim)
        self.norm = BatchNorm(dim)
        self.last = Linear(dim, dim)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        x = propagate(x, batch, edge_weight=edge_weight, root=(1 + self.eps).expand(x.shape[0]))
        hidden = self.norm(self.first(x), around=Around(relu=True), rows=batch.real.num_nodes)
        return self.last(hidden), e
