"""MLPs as most layers have them; `gnnlab.encodings.networks.NormedMLP` has batch norms inside."""

from itertools import pairwise

from torch import Tensor, nn

from gnnlab import ops
from gnnlab.nn.activation import Activation, activation
from gnnlab.nn.dropout import Dropout
from gnnlab.ops.linear import Linear


class MLP(nn.Module):
    """Linear maps through `widths`, [N, widths[0]] to [N, widths[-1]], with act and dropout between them."""

    def __init__(self, *widths: int, act: Activation = "relu", dropout: float = 0.0) -> None:
        super().__init__()
        self.linears = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
        self.act = None if act == "relu" else activation(act)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.linears
        dropout = self.dropout.p if self.training else 0.0
        if self.act is None and len(hidden) == 1:
            (first,) = hidden
            assert isinstance(first, Linear)
            assert isinstance(last, Linear)
            return ops.mlp(x, (first.weight, last.weight), (first.bias, last.bias), dropout)
        for linear in hidden:
            x = linear(x, relu=True, dropout=dropout) if self.act is None else self.dropout(self.act(linear(x)))
        return last(x)
