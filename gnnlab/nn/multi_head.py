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
    """Attention, `dim` wide, whose heads can be masked and taken out; where it `selects_tokens`, so can nodes.

    `head_mask(rows [n, H C], owner [n], graphs)`: what the heads have read, masked, before anything mixes them; `owner`
    is the graph of each row. `token_mask(self, x, batch, bias)`: attention among some of the nodes. None, as they are
    unless a sparsifier puts them there, cost nothing.
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
        """Have only these heads left, numbers [H'] in ascending order."""

    @abstractmethod
    def flops(self, nodes: Tensor, edges: Tensor, heads: int) -> Tensor:
        """FLOPs of the products with `heads` heads, for graphs of `nodes` [G] and `edges` [G]."""


def columns(heads: Tensor, num_heads: int, width: int) -> Tensor:
    """Where the columns of these heads lie among `width` ones of all heads, side by side."""
    return torch.arange(width, device=heads.device).view(num_heads, -1)[heads].flatten()


def narrow(linear: nn.Linear, rows: Tensor | None = None, inputs: Tensor | None = None) -> None:
    """Leave of a linear map only these outputs, or these inputs."""
    if rows is not None:
        linear.weight = nn.Parameter(linear.weight.detach()[rows].clone())
        linear.out_features = len(rows)
        if linear.bias is not None:
            linear.bias = nn.Parameter(linear.bias.detach()[rows].clone())
    if inputs is not None:
        linear.weight = nn.Parameter(linear.weight.detach()[:, inputs].clone())
        linear.in_features = len(inputs)
