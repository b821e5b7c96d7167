"""Activations by the names a config uses."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "gelu", "elu", "silu"]


def activation(name: Activation) -> nn.Module:
    """The module of that name."""
    return {"relu": nn.ReLU, "gelu": nn.GELU, "elu": nn.ELU, "silu": nn.SiLU}[name]()
