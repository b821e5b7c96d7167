"""GINE: Hu et al., "Strategies for Pre-training Graph Neural Networks", ICLR 2020, as GraphGPS uses it."""

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.mlp import MLP
from gnnlab.ops import gine


class GINE(Conv):
    """GINE (Hu et al. 2020), GIN that reads edges: x_i' = MLP(x_i + Σ_j w_ij ReLU(x_j + e_ij)).

    MLP = Linear, ReLU, Linear, and w_ij is the weight of an edge, else 1. GIN's ε is 0.
    """

    uses_edges = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = MLP(dim, dim, dim)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert e is not None
        return self.mlp(gine(x, e, batch, edge_weight, root=1.0)), e
