"""A perceptron with one hidden layer: dropout(ReLU(x W₁ᵀ + b₁)) W₂ᵀ + b₂.

Shapes: x [N, in], weights ([hidden, in], [out, hidden]), biases ([hidden], [out]).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel
from gnnlab.ops.dropout import drop
from gnnlab.ops.random import fresh_seed

Pair = tuple[Tensor, Tensor]
Biases = tuple[Tensor | None, Tensor | None]


def mlp(x: Tensor, weights: Pair, biases: Biases, dropout: float = 0.0) -> Tensor:
    """[N, out]."""
    seed = fresh_seed(x.device) if dropout else None
    # See `gnnlab.ops.linear`.
    if not fused(x, "mlp") or x.dim() != 2 or weights[0].dtype != x.dtype or torch.is_autocast_enabled("cpu"):
        return reference(x, weights, biases, dropout, seed)
    return _mlp(x, weights[0], biases[0], weights[1], biases[1], dropout, seed)[0]


def reference(x: Tensor, weights: Pair, biases: Biases, dropout: float, seed: Tensor | None) -> Tensor:
    """The same in plain torch."""
    hidden = functional.linear(x, weights[0], biases[0]).relu()
    return functional.linear(drop(hidden, dropout, seed), weights[1], biases[1])


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    x, w1, b1, w2, b2, ctx.dropout, _ = inputs
    ctx.given = ctx.needs_input_grad[0], True, b1 is not None, True, b2 is not None
    ctx.save_for_backward(x, w1, w2, output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    grads = _mlp_backward(grad, *ctx.saved_tensors, ctx.dropout, ctx.given[0])
    return *(grad if given else None for grad, given in zip(grads, ctx.given, strict=True)), None, None


def _fake(x: Tensor, w1: Tensor, b1: Any, w2: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape[0], w2.shape[0]), x.new_empty(x.shape[0], w1.shape[0])


def _fake_backward(grad: Tensor, x: Tensor, w1: Tensor, w2: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    grad_x = x.new_empty(x.shape[0] if rest[-1] else 0, x.shape[1])
    return grad_x, *[torch.empty_like(w1), w1.new_empty(w1.shape[0]), torch.empty_like(w2), w2.new_empty(w2.shape[0])]


_mlp = differentiable("mlp", _fake, _setup, _backward)
_mlp_backward = kernel("mlp_backward", _fake_backward)
