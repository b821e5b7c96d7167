"""MixHop: Abu-El-Haija et al., "MixHop: Higher-Order Graph Convolutional Architectures", ICML 2019."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.gcn import normalised
from gnnlab.ops import propagate
from gnnlab.ops.linear import Linear


class MixHop(Conv):
    """MixHop (Abu-El-Haija et al. 2019): powers of the adjacency side by side, each with its share of the channels.

    x' = [x W₀ ‖ Â x W₁ ‖ … ‖ Â^K x W_K] + b with K = `hops` and GCN's Â: self-loops included, edge weights in it. All W
    are one map, and the result is Horner's [x W₀ ‖ Â [x W₁ ‖ Â […]]]: K sparse products, the channels of hop k in the
    last k.
    """

    def __init__(self, dim: int, hops: Count = 2) -> None:
        super().__init__()
        self.widths = [dim // (hops + 1) + (hop < dim % (hops + 1)) for hop in range(hops + 1)]
        self.linear = Linear(dim, dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        weight, root = normalised(batch, edge_weight, x.dtype)
        *nearer, out = self.linear(x).split(self.widths, dim=-1)
        for part in reversed(nearer):
            out = torch.cat([part, propagate(out.contiguous(), batch, edge_weight=weight, root=root)], dim=-1)
        return out + self.bias, e
