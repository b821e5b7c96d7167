"""GCN: Kipf & Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import degree, propagate
from gnnlab.ops.linear import Linear


class GCN(Conv):
    """GCN (Kipf & Welling 2017): x' = Â x W + b with Â the normalised adjacency (`normalised`).

    `self_loops`: of A + I, else of A, as in benchmarking-gnns. `weights=False`: x' = Â x, where embedding and head map
    already. So two layers, without norm and residual, are nearly the paper's network: see `conf/preset/gcn_cora.yaml`.
    """

    def __init__(self, dim: int, self_loops: bool = True, weights: bool = True) -> None:
        super().__init__()
        self.self_loops = self_loops
        self.linear = Linear(dim, dim) if weights else None
        if self.linear is None:
            return
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        weight, root = normalised(batch, edge_weight, x.dtype, self.self_loops)
        x = propagate(x, batch, edge_weight=weight, root=root)
        return x if self.linear is None else self.linear(x), e


def normalised(
    batch: Batch, edge_weight: Tensor | None, dtype: torch.dtype, self_loops: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Â = D^{-1/2} A D^{-1/2}, of A + I where `self_loops`: the entries of the edges [E] and of the loops [N] or None.

    Loops in the data count as well as I. A has the edge weights, else 1, and D sums them: an edge of weight 0 is an
    edge removed. Directed graphs use the out-degree of the source and the in-degree of the destination. Without edge
    weights, Â is computed once per batch, for all layers.
    """
    if edge_weight is None:
        name = f"normalised, self_loops={self_loops}, {dtype}"
        return batch.once(name, lambda batch: _normalised(batch, None, dtype, self_loops))
    return _normalised(batch, edge_weight, dtype, self_loops)


def _normalised(
    batch: Batch, edge_weight: Tensor | None, dtype: torch.dtype, self_loops: bool
) -> tuple[Tensor, Tensor | None]:
    precise = torch.promote_types(dtype, torch.float32)
    degrees = [degree(batch, end, edge_weight).to(precise) + float(self_loops) for end in ("out", "in")]
    out_scale, in_scale = (torch.where(d > 0, d.clamp(min=1e-12).rsqrt(), 0.0) for d in degrees)
    weight = out_scale.index_select(0, batch.edges.source) * in_scale.index_select(0, batch.edges.target)
    if edge_weight is not None:
        weight = weight * edge_weight
    return weight.to(dtype), (out_scale * in_scale).to(dtype) if self_loops else None
