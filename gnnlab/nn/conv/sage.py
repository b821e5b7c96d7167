"""GraphSAGE: Hamilton et al., "Inductive Representation Learning on Large Graphs", NeurIPS 2017."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import degree, propagate
from gnnlab.ops.linear import Linear


class SAGE(Conv):
    """GraphSAGE (Hamilton et al. 2017): a map of a node beside the mean or the maximum of its neighbours.

    x_i' = W [x_i ‖ c_i] + b over the in-neighbours j, with edge weights w (else 1): c_i = Σ_j w_ij x_j / Σ_j w_ij, or
    max_j w_ij ReLU(P x_j + p) where `reduce` is "max"; c_i = 0 without neighbours. `weights=False` leaves out W and b,
    not P and p: x_i' = c_i. `l2` scales each row of x' to length 1, before the block's norm and activation; in the
    paper's Algorithm 1 the activation comes first. Sampling neighbours is up to `conf/loader/neighbours.yaml`. In code:
    P, p `pool`, W, b `linear`.
    """

    def __init__(
        self, dim: int, reduce: Literal["mean", "max"] = "mean", l2: bool = False, weights: bool = True
    ) -> None:
        super().__init__()
        self.pool = Linear(dim, dim) if reduce == "max" else None
        self.linear = Linear(2 * dim, dim) if weights else None
        self.l2 = l2

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if self.pool is not None:
            around = propagate(self.pool(x, relu=True), batch, "max", edge_weight)
        elif edge_weight is None:
            around = propagate(x, batch, "mean")
        else:  # a mean of `propagate` divides by the number of edges, not by their weights
            total = degree(batch, "in", edge_weight).unsqueeze(-1)
            around = propagate(x, batch, "sum", edge_weight) / torch.where(total > 0, total, 1.0).to(x.dtype)
        x = around if self.linear is None else self.linear(torch.cat([x, around], dim=-1))
        return normalize(x, dim=-1) if self.l2 else x, e
