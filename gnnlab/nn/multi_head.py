"""Heads of attention side by side, and where a sparsifier gets hold of them (`gnnlab.sparsifiers.gtsp`)."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.errors import UsageError


def head_width(dim: int, num_heads: int, section: str = "model") -> int:
    """The width of one head. Raises `UsageError` where `dim` is no multiple of `num_heads`, a setting of `section`."""
    if dim % num_heads:
        raise UsageError(
            f"model.hidden_dim={dim} is not a multiple of {section}.num_heads={num_heads}; change one of them."
        )
    return dim // num_heads


class MultiHead(nn.Module):
    """Attention of width `dim` whose heads can be masked and removed, as can nodes where it `selects_tokens`.

    `head_mask(rows [n, H C], owner [n], graphs)` masks what the heads have read, before anything mixes them; `owner` is
    the graph of each row. `token_mask(self, x, batch, bias)`: attention among some of the nodes. Both are None unless a
    sparsifier sets them.
    """

    gives: ClassVar[tuple[str, ...]] = ("heads",)
    selects_tokens: ClassVar[bool] = False
    dim: int
    num_heads: int

    def __init__(self) -> None:
        super().__init__()
        self.head_mask: nn.Module | None = None
        self.token_mask: nn.Module | None = None

    @abstractmethod
    def keep_heads(self, heads: Tensor) -> None:
        """Keep only these heads: numbers [H'], ascending."""

    @abstractmethod
    def flops(self, nodes: Tensor, edges: Tensor, heads: int) -> Tensor:
        """FLOPs of the products with `heads` heads, for graphs of `nodes` [G] and `edges` [G]."""


def columns(heads: Tensor, num_heads: int, width: int) -> Tensor:
    """The columns of these heads among the `width` columns of all heads, side by side."""
    return torch.arange(width, device=heads.device).view(num_heads, -1)[heads].flatten()


def narrow(linear: nn.Linear, rows: Tensor | None = None, inputs: Tensor | None = None) -> None:
    """Keep only these outputs (`rows`), or these `inputs`, of a linear map."""
    if rows is not None:
        linear.weight = nn.Parameter(linear.weight.detach()[rows].clone())
        linear.out_features = len(rows)
        if linear.bias is not None:
            linear.bias = nn.Parameter(linear.bias.detach()[rows].clone())
    if inputs is not None:
        linear.weight = nn.Parameter(linear.weight.detach()[:, inputs].clone())
        linear.in_features = len(inputs)
