"""GCN: Kipf & Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.linear import Linear
from gnnlab.ops import degree, propagate


class GCN(Conv):
    """x' = D^{-1/2} A D^{-1/2} x W + b, with A + I for A where `self_loops`.

    Weights count in the degrees, so an edge of weight 0 is an edge removed. Directed graphs use the
    out-degree of the source and the in-degree of the destination. benchmarking-gnns has no self-loops.
    """

    def __init__(self, dim: int, self_loops: bool = True) -> None:
        super().__init__()
        self.self_loops = self_loops
        self.linear = Linear(dim, dim)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if edge_weight is None:
            name = f"gcn, self_loops={self.self_loops}, {x.dtype}"
            weight, root = batch.once(name, lambda batch: self.normalised(batch, None, x.dtype))
        else:
            weight, root = self.normalised(batch, edge_weight, x.dtype)
        return self.linear(propagate(x, batch, edge_weight=weight, root=root)), e

    def normalised(self, batch: Batch, edge_weight: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """The weights of the edges [E] and, where there are self-loops, of the loops [N]."""
        loop = float(self.self_loops)
        degrees = [degree(batch, end, edge_weight) + loop for end in ("out", "in")]
        out_scale, in_scale = (torch.where(d > 0, d.clamp(min=1e-12).rsqrt(), 0.0) for d in degrees)
        weight = out_scale.index_select(0, batch.edges.source) * in_scale.index_select(0, batch.edges.target)
        if edge_weight is not None:
            weight = weight * edge_weight
        return weight.to(dtype), (out_scale * in_scale).to(dtype) if self.self_loops else None
