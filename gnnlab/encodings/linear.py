"""The learnt half of structural encodings: a linear map of what the offline half wrote."""

from typing import Literal

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.linear import Linear

Norm = Literal["batch", "none"]


class LinearEncoder(nn.Module):
    """[batch norm →] linear: Batch with the node attribute `name` [N, width] → [N, dim]."""

    def __init__(self, name: str, width: int, dim: int, norm: Norm) -> None:
        super().__init__()
        self.name = name
        self.norm = BatchNorm(width) if norm == "batch" else None
        self.linear = Linear(width, dim)

    def forward(self, batch: Batch) -> Tensor:
        columns = batch.node[self.name]
        if self.norm is not None:
            columns = self.norm(columns, rows=batch.real.num_nodes)
        return self.linear(columns)
