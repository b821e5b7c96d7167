"""GatedGCN: Bresson & Laurent, "Residual Gated Graph ConvNets", 2017; Dwivedi et al., JMLR 2023."""

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.linear import Linear
from gnnlab.ops import gated


class GatedGCN(Conv):
    """GatedGCN (Bresson & Laurent 2017): neighbours through gates that edges carry from layer to layer.

    ê_ij = D x_i + E x_j + C e_ij,  η = σ(ê),  x_i' = A x_i + Σ_j η_ij ⊙ B x_j / (Σ_j η_ij + 1e-6).

    Returns x' and ê. The block around it adds norm, activation and residual to both.
    """

    uses_edges = True
    updates_edges = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.nodes = Linear(dim, 4 * dim)
        self.edges = Linear(dim, dim)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        return gated(self.nodes(x), self.edges(e), batch, edge_weight)
