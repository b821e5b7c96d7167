"""Batch normalisation (Ioffe & Szegedy, 2015) with the dropout, activation and residuals around it.

Shapes: h, before, after [N, d]; weight, bias, mean, var [d].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel
from gnnlab.ops.dropout import drop, dropout
from gnnlab.ops.random import fresh_seed
from gnnlab.ops.recorded.tape import recording


@dataclass(frozen=True)
class Around:
    """What stands around a norm: z = before + dropout(h), then y = after + dropout(act(norm(z))).

    `first`, `last`: the two dropout probabilities. `whole`: the second dropout comes after the sum.
    """

    relu: bool = False
    first: float = 0.0
    last: float = 0.0
    whole: bool = False


def norm(
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    statistics: tuple[Tensor, Tensor] | None = None,
    eps: float = 1e-5,
    before: Tensor | None = None,
    after: Tensor | None = None,
    around: Around = Around(),
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """y [N, d], and the mean and biased variance over all rows, or the first `rows` [1] of them.

    With `statistics` (mean, var) these are used and returned instead.
    """
    mean, var = statistics or (None, None)
    seed = fresh_seed(h.device) if around.first or around.last else None
    if h.dtype == torch.bfloat16:
        weight, bias = weight.float(), bias.float()
        mean, var = (None if v is None else v.float() for v in (mean, var))
    if not fused(h, "norm"):
        return reference(h, weight, bias, mean, var, eps, before, after, around, seed, rows)
    before, after = _like(before, h), _like(after, h)
    y, _, mean, var = _norm(
        h, before, after, weight, bias, mean, var, eps, around.relu, around.whole, around.first, around.last, seed, rows
    )
    return y, mean, var


def _like(value: Tensor | None, h: Tensor) -> Tensor | None:
    return value if value is None or value.dtype == h.dtype else value.to(h.dtype)


def reference(
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    eps: float,
    before: Tensor | None,
    after: Tensor | None,
    around: Around,
    seed: Tensor | None,
    rows: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same in plain torch, in float32 at least."""
    z = drop(h.to(torch.promote_types(h.dtype, torch.float32)), around.first, seed)
    if before is not None:
        z = z + before
    if mean is None and rows is not None:
        real = (torch.arange(z.shape[0], device=z.device) < rows).unsqueeze(-1)
        mean = torch.where(real, z, 0).sum(0) / rows
        var = torch.where(real, z - mean, 0).square().sum(0) / rows
    if mean is None or var is None:
        y, mean, rstd = torch.native_batch_norm(z, weight, bias, None, None, True, 0.0, eps)
        var = rstd.detach() ** -2 - eps
    else:
        y = (z - mean) * (var + eps).rsqrt() * weight + bias
    if around.relu:
        y = y.relu()
    if around.whole and after is not None:
        y = y + after
    y = drop(y, around.last, seed, first=h.numel())
    if after is not None and not around.whole:
        y = y + after
    return y.to(h.dtype), mean.detach(), var.detach()


def surrounded(
    norm: Callable[[Tensor], Tensor],
    h: Tensor,
    before: Tensor | None,
    after: Tensor | None,
    around: Around,
    training: bool,
) -> Tensor:
    """Any `norm` with what stands around it, in torch's own operations."""
    z = dropout(h, around.first, training)
    y = norm(z if before is None else z + before)
    y = y.relu() if around.relu else y
    if after is not None and around.whole:
        return dropout(y + after, around.last, training)
    y = dropout(y, around.last, training)
    return y if after is None else y + after


def track(module: torch.nn.BatchNorm1d, mean: Tensor, var: Tensor, y: Tensor, rows: Tensor | None) -> None:
    """Move the running statistics of `module` towards what a batch shows: of all rows of `y`, or the first `rows`."""
    if (tape := recording()) is not None:
        tape.effects.append(lambda: track(module, mean, var, y, rows))
        return
    running_mean, running_var, batches = module.running_mean, module.running_var, module.num_batches_tracked
    assert running_mean is not None
    assert running_var is not None
    assert batches is not None
    momentum = 0.1 if module.momentum is None else module.momentum
    if fused(mean, "norm"):
        _track(running_mean, running_var, batches, mean, var, y, rows, momentum)
        return
    n = len(y) if rows is None else rows.to(var.dtype)
    running_mean.lerp_(mean.to(running_mean.dtype), momentum)
    running_var.lerp_((var * (n / (n - 1))).to(running_var.dtype), momentum)
    batches.add_(1)


def _setup(ctx: Any, inputs: tuple, output: tuple) -> None:
    _, before, after, weight, bias, mean, _, *ctx.settings, seed, rows = inputs
    ctx.measured, ctx.has = mean is None, (before is not None, after is not None)
    _, *measured = output
    ctx.mark_non_differentiable(*measured)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*measured, weight, bias, seed, rows)


def _backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 14
    z, mean, var, weight, bias, seed, rows = ctx.saved_tensors
    _, _, whole, first, last = ctx.settings
    grad_h, grad_before, grad_after, grad_weight, grad_bias = _norm_backward(
        grad, z, mean, var, weight, bias, ctx.measured, *ctx.settings, seed, rows
    )
    before, after = ctx.has
    grad_before = (grad_before if first else grad_h) if before else None
    grad_after = (grad_after if whole and last else grad) if after else None
    return grad_h, grad_before, grad_after, grad_weight, grad_bias, *[None] * 9


def _fake(h: Tensor, before: Any, after: Any, weight: Tensor, *_: Any) -> tuple[Tensor, ...]:
    return torch.empty_like(h), weight.new_empty(h.shape), torch.empty_like(weight), torch.empty_like(weight)


def _fake_backward(grad: Tensor, z: Any, mean: Any, var: Any, weight: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    _, _, _, _, whole, first, last, _, _ = rest
    width = grad.shape[1]
    before = grad.new_empty(grad.shape[0] if first else 0, width)
    after = grad.new_empty(grad.shape[0] if whole and last else 0, width)
    return torch.empty_like(grad), before, after, torch.empty_like(weight), torch.empty_like(weight)


_norm = differentiable("norm", _fake, _setup, _backward)
_norm_backward = kernel("norm_backward", _fake_backward)
_track = kernel("track_", lambda *_: None)
