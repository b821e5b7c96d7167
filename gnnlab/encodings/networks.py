"""The networks that encodings learn: MLPs with batch norms inside, and GINs of several layers, on rows of any kind.

`gnnlab.nn.mlp.MLP` has another activation and dropout in place of the norms; `gnnlab.nn.conv.gin.GIN` is one layer of
a model, on its nodes.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.ops import Around, propagate
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.linear import Linear


class NormedMLP(nn.Module):
    """Linear maps through `widths` with BatchNorm and ReLU between them: [P, widths[0]] to [P, widths[-1]]."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.linears = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(map(BatchNorm, widths[1:-1]))

    def forward(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """`rows` [1]: how many rows are not padding."""
        *hidden, last = self.linears
        for layer, norm in zip(hidden, self.norms, strict=True):
            x = norm(layer(x), around=Around(relu=True), rows=rows)
        return last(x)


class DeepGIN(nn.Module):
    """Layers x' = MLP((1 + ε) x + Σ_j x_j) on rows, [P, in] to [P, out]; each MLP has `depth` linear maps.

    `between`: a batch norm before every layer but the first.
    Xu et al., "How Powerful are Graph Neural Networks?", ICLR 2019.
    """

    def __init__(self, in_dim: int, hidden: int, out_dim: int, layers: int, depth: int, between: bool = False) -> None:
        super().__init__()
        widths = [in_dim, *[hidden] * (layers - 1), out_dim]
        self.eps = nn.Parameter(torch.zeros(layers))
        self.layers = nn.ModuleList(NormedMLP(a, *[hidden] * (depth - 1), b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(map(BatchNorm, widths[1:-1])) if between else None

    def forward(self, x: Tensor, rows: Batch) -> Tensor:
        for index, (eps, layer) in enumerate(zip(self.eps, self.layers, strict=True)):
            if index and self.norms is not None:
                x = self.norms[index - 1](x, rows=rows.real.num_nodes)
            x = layer(propagate(x, rows, root=(1 + eps).expand(x.shape[0])), rows.real.num_nodes)
        return x
