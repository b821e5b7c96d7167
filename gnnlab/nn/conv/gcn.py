"""GCN: Kipf & Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import aggregate, degree


class GCN(Conv):
    """x' = D^{-1/2} A D^{-1/2} x W + b, with A + I for A where `self_loops`.

    Weights count in the degrees, so an edge of weight 0 is an edge removed. Directed graphs use the
    out-degree of the source and the in-degree of the destination. benchmarking-gnns has no self-loops.
    """

    def __init__(self, dim: int, self_loops: bool = True) -> None:
        super().__init__()
        self.self_loops = self_loops
        self.linear = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        loop = float(self.self_loops)
        source, target = batch.edge_index
        out_degree = degree(batch, "out", edge_weight) + loop
        in_degree = degree(batch, "in", edge_weight) + loop
        scale_out, scale_in = (torch.where(d > 0, d.clamp(min=1e-12).rsqrt(), 0.0) for d in (out_degree, in_degree))
        scale = (scale_out[source] * scale_in[target]).to(x.dtype)
        if edge_weight is not None:
            scale = scale * edge_weight
        out = aggregate(x.index_select(0, source), batch, scale)
        if self.self_loops:
            out = out + x * (scale_out * scale_in).to(x.dtype).unsqueeze(-1)
        return self.linear(out), e
