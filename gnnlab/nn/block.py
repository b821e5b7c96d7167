"""The residual block around a local layer."""

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.activation import Activation, activation
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.norm import Norm, make_norm
from gnnlab.ops import Around


class ConvBlock(nn.Module):
    """conv → norm → activation [→ residual], for the nodes and, where the conv updates them, the edges.

    Dropout comes after the residual (benchmarking-gnns) or, with `dropout_before_residual`, before it
    (GraphGPS's GatedGCN).
    """

    def __init__(
        self,
        conv: Conv,
        dim: int,
        dropout: float = 0.0,
        act: Activation = "relu",
        dropout_before_residual: bool = False,
        norm: Norm = "batch",
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.conv, self.residual = conv, residual
        self.node_norm = make_norm(norm, dim)
        self.edge_norm = make_norm(norm, dim) if conv.updates_edges else None
        self.around = Around(relu=act == "relu", last=dropout, whole=not dropout_before_residual)
        self.act = activation(act)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        new_x, new_e = self.conv(x, e, batch, edge_weight)
        x = self._residual(x, new_x, self.node_norm, batch.real.num_nodes)
        if e is not None and self.edge_norm is not None:
            e = self._residual(e, new_e, self.edge_norm, batch.real.num_edges)
        return x, e

    def _residual(self, old: Tensor, new: Tensor, norm: nn.Module, rows: Tensor | None) -> Tensor:
        if self.around.relu:
            return norm(new, after=old if self.residual else None, around=self.around, rows=rows)
        new = self.act(norm(new, rows=rows))
        if not self.residual:
            return self.dropout(new)
        return self.dropout(old + new) if self.around.whole else old + self.dropout(new)
