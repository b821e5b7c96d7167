"""Dropout as a module."""

from torch import Tensor, nn

from gnnlab import ops


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` by `ops.dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return ops.dropout(input, self.p, self.training)
