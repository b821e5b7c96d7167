"""GINE: Hu et al., "Strategies for Pre-training Graph Neural Networks", ICLR 2020, as GraphGPS uses it."""

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import aggregate


class GINE(Conv):
    """x' = MLP(x + Σ_j ReLU(x_j + e_ij)) with MLP = Linear, ReLU, Linear (ε = 0, fixed)."""

    uses_edges = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert e is not None
        messages = (x.index_select(0, batch.edge_index[0]) + e).relu()
        return self.mlp(x + aggregate(messages, batch, edge_weight)), e
