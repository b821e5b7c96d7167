"""The residual block around a local layer."""

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.activation import Activation, activation
from gnnlab.nn.conv.base import Conv
from gnnlab.ops.norm import BatchNorm


class ConvBlock(nn.Module):
    """conv → BatchNorm → activation → residual, for the nodes and, where the conv updates them, the edges.

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
    ) -> None:
        super().__init__()
        self.conv = conv
        self.node_norm = BatchNorm(dim)
        self.edge_norm = BatchNorm(dim) if conv.updates_edges else None
        self.act = activation(act)
        self.dropout = nn.Dropout(dropout)
        self.dropout_before_residual = dropout_before_residual

    def forward(self, x: Tensor, e: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None]:
        new_x, new_e = self.conv(x, e, batch)
        x = self._residual(x, self.node_norm(new_x))
        if e is not None and self.edge_norm is not None:
            e = self._residual(e, self.edge_norm(new_e))
        return x, e

    def _residual(self, old: Tensor, new: Tensor) -> Tensor:
        if self.dropout_before_residual:
            return old + self.dropout(self.act(new))
        return self.dropout(old + self.act(new))
