"""GCN+'s conv: Luo et al., "Can Classic GNNs Be Strong Baselines for Graph-level Tasks?", ICML 2025."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import gine
from gnnlab.ops.linear import Linear


class GCNE(Conv):
    """GCN that reads edges, as GCN+ has it (Luo et al. 2025): x_i' = Σ_j w_ij ReLU(W x_j + e_ij) + b.

    w_ij is the weight of an edge, else 1. Without normalisation or self-loops: a node itself is for the residual around
    the layer.
    """

    uses_edges = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = Linear(dim, dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert e is not None
        return gine(self.linear(x), e, batch, edge_weight) + self.bias, e
