"""Norms by the names a config uses. BatchNorm (`gnnlab.ops.batchnorm`) is one op with all that stands around it.

The others look at each row by itself, so neither batches nor padding show in them. LayerNorm: Ba et al., "Layer
Normalization", 2016. RMSNorm: Zhang & Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019,
y = g ⊙ x / √(mean x² + ε). Shapes: rows [N, d].
"""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from gnnlab.ops import Around
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.norm import surrounded

Norm = Literal["batch", "layer", "rms", "none"]


def make_norm(name: Norm, dim: int) -> nn.Module:
    """The module of that name, called as a `BatchNorm` is."""
    if name == "batch":
        return BatchNorm(dim)
    kinds = {"layer": nn.LayerNorm, "rms": partial(nn.RMSNorm, eps=1e-5), "none": nn.Identity}
    return RowNorm(kinds[name](dim))


class RowNorm(nn.Module):
    """A norm of single rows, with the dropouts, ReLU and residuals around it."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(
        self,
        input: Tensor,
        before: Tensor | None = None,
        after: Tensor | None = None,
        around: Around = Around(),
        rows: Tensor | None = None,
    ) -> Tensor:
        """See `gnnlab.ops.norm`; `rows` makes no difference."""
        return surrounded(self.norm, input, before, after, around, self.training)
