"""GIN: Xu et al., "How Powerful are Graph Neural Networks?", ICLR 2019."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.norm import BatchNorm
from gnnlab.ops import aggregate


class GIN(Conv):
    """x' = MLP((1 + ε) x + Σ_j x_j) with learned ε and MLP = Linear, BatchNorm, ReLU, Linear."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.mlp = nn.Sequential(nn.Linear(dim, dim), BatchNorm(dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        received = aggregate(x.index_select(0, batch.edge_index[0]), batch, edge_weight)
        return self.mlp((1 + self.eps) * x + received), e
