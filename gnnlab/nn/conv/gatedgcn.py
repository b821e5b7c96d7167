"""GatedGCN: Bresson & Laurent, "Residual Gated Graph ConvNets", 2017; Dwivedi et al., JMLR 2023."""

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import aggregate


class GatedGCN(Conv):
    """ê_ij = D x_i + E x_j + C e_ij,  η = σ(ê),  x_i' = A x_i + Σ_j η_ij ⊙ B x_j / (Σ_j η_ij + 1e-6).

    Returns x' and ê. The block around it adds norm, activation and residual to both.
    """

    uses_edges = True
    updates_edges = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.nodes = nn.Linear(dim, 4 * dim)
        self.edges = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        source, target = batch.edge_index
        a, b, d, s = self.nodes(x).chunk(4, dim=-1)
        logits = d.index_select(0, target) + s.index_select(0, source) + self.edges(e)
        gate = logits.sigmoid()
        weighted = aggregate(gate * b.index_select(0, source), batch, edge_weight)
        return a + weighted / (aggregate(gate, batch, edge_weight) + 1e-6), logits
