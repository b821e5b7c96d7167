"""GatedGCN: Bresson & Laurent, "Residual Gated Graph ConvNets", 2017.

Edge states and normalised gates as in Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023.
"""

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import gated
from gnnlab.ops.linear import Linear


class GatedGCN(Conv):
    """GatedGCN (Bresson & Laurent 2017): neighbours through gates made from edge states.

    ê_ij = D x_i + E x_j + C e_ij,  η = σ(ê),  x_i' = A x_i + Σ_j w_ij η_ij ⊙ B x_j / (Σ_j w_ij η_ij + 1e-6)

    with biases in A … E and w_ij the weight of an edge, else 1. Returns x' and ê; `ConvBlock` adds norm, activation and
    residual.
    """

    uses_edges = True
    updates_edges = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.nodes = Linear(dim, 4 * dim)  # A, B, D, E
        self.edges = Linear(dim, dim)  # C

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        return gated(self.nodes(x), self.edges(e), batch, edge_weight)
