"""A linear map with what follows it: dropout(ReLU(x Wᵀ + b)).

Shapes: x [N, in] or [N, …, in], weight [out, in], bias [out].
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel
from gnnlab.ops.dropout import drop
from gnnlab.ops.random import fresh_seed


class Linear(nn.Linear):
    """`torch.nn.Linear` on rows [N, …, in], with the ReLU and the dropout that follow it in the same op."""

    def forward(self, input: Tensor, relu: bool = False, dropout: float = 0.0) -> Tensor:
        return linear(input, self.weight, self.bias, relu, dropout)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False, dropout: float = 0.0) -> Tensor:
    """[N, …, out]. `dropout` needs `relu`: where the result is positive, its gradient passes, and no mask is kept."""
    assert relu or not dropout, "dropout follows a ReLU"
    if x.dim() > 2:
        return linear(x.flatten(0, -2), weight, bias, relu, dropout).unflatten(0, x.shape[:-1])
    seed = fresh_seed(x.device) if dropout else None
    # The kernel is a CPU's. Under autocast torch's own map takes x and W in another type.
    if not fused(x, "linear") or x.dim() != 2 or weight.dtype != x.dtype or torch.is_autocast_enabled("cpu"):
        return reference(x, weight, bias, relu, dropout, seed)
    return _linear(x, weight, bias, relu, dropout, seed)


def reference(
    x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool, dropout: float, seed: Tensor | None
) -> Tensor:
    """The same in plain torch."""
    out = functional.linear(x, weight, bias)
    return drop(out.relu() if relu else out, dropout, seed)


def _setup(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, weight, bias, relu, ctx.dropout, _ = inputs
    ctx.has_bias = bias is not None
    ctx.save_for_backward(x, weight, output if relu else None)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    need_x = ctx.needs_input_grad[0]
    grad_x, grad_weight, grad_bias = _linear_backward(grad, *ctx.saved_tensors, ctx.dropout, need_x)
    return grad_x if need_x else None, grad_weight, grad_bias if ctx.has_bias else None, None, None, None


def _fake_backward(grad: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    rows = x.shape[0] if rest[-1] else 0
    return x.new_empty(rows, x.shape[1]), torch.empty_like(weight), weight.new_empty(weight.shape[0])


_linear = differentiable("linear", lambda x, weight, *_: x.new_empty(x.shape[0], weight.shape[0]), _setup, _backward)
_linear_backward = kernel("linear_backward", _fake_backward)
