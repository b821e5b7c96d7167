"""MoNet: Monti et al., "Geometric Deep Learning on Graphs and Manifolds Using Mixture Model CNNs", CVPR 2017."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import degree, propagate
from gnnlab.ops.linear import Linear


class MoNet(Conv):
    """MoNet (Monti et al. 2017): neighbours weighed by Gaussian kernels of the degrees at both ends of an edge.

    x_i' = Σ_k W_k Σ_j w_ij g_k(u_ij) x_j + b with g_k(u) = exp(-½ ‖s_k ⊙ (u - μ_k)‖²), w_ij the weight of an edge, else
    1, and pseudo-coordinates u_ij = tanh(P (1/√(d_j + 1), 1/√(d_i + 1)) + p) of the in-degrees, which sum the edge
    weights. As in benchmarking-gnns, which adds b after the activation. In code: W, b `linear`, s `sharpness` (the
    paper's Σ_k is diag(s_k)^{-2}), μ `mean`, P, p `project`.
    """

    def __init__(self, dim: int, kernels: Count = 3) -> None:
        super().__init__()
        self.project = Linear(2, 2)
        self.mean = nn.Parameter(0.1 * torch.randn(kernels, 1, 2))
        self.sharpness = nn.Parameter(torch.ones(kernels, 1, 2))
        self.linear = Linear(kernels * dim, dim)
        nn.init.xavier_normal_(self.linear.weight, gain=nn.init.calculate_gain("relu"))
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if edge_weight is None:
            ends = batch.once(f"monet, {x.dtype}", lambda batch: inverse_roots(batch, None, x.dtype))
        else:
            ends = inverse_roots(batch, edge_weight, x.dtype)
        distance = (self.sharpness * (self.project(ends).tanh() - self.mean)).square().sum(-1)
        kernels = (-0.5 * distance).exp() * (1.0 if edge_weight is None else edge_weight)
        return self.linear(torch.cat([propagate(x, batch, edge_weight=kernel) for kernel in kernels], dim=-1)), e


def inverse_roots(batch: Batch, edge_weight: Tensor | None, dtype: torch.dtype) -> Tensor:
    """1/√(d + 1) at the source and at the destination of each edge: [E, 2]."""
    degrees = degree(batch, "in", edge_weight).to(torch.promote_types(dtype, torch.float32))
    roots = (degrees + 1).rsqrt().to(dtype)
    ends = (batch.edges.source, batch.edges.target)
    return torch.stack([roots.index_select(0, end) for end in ends], dim=-1)
