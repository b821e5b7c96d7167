"""Mamba's selective scan (S6): Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023.

Shapes: u, delta [N, d], A [d, S], B, C [N, S], D [d], for sequences that lie one after the other, ptr [G+1].
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel
from gnnlab.ops.recorded.tape import recording

STATES, CHUNK = 16, 16
"""As in kernels/csrc/scan.cpp: states are padded to a multiple of STATES and kept at every CHUNK-th row."""


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    ptr: Tensor,
    D: Tensor | None = None,
    reverse: bool = False,
) -> Tensor:
    """y_t = C_t·h_t + D u_t with h_t = exp(Δ_t A) h_{t−1} + Δ_t u_t B_t, from h = 0 in every sequence: [N, d].

    Sequence i is the rows ptr[i] … ptr[i+1]−1, as a graph of a batch is. `reverse`: from its last row to its first; a
    bidirectional scan is one call of each kind. Softplus has been applied to `delta`. Computed in the wider type of `u`
    and `delta`, the states at least in float32; the result has the type of `u`.
    """
    if not fused(u, "selective_scan"):
        return reference(u, delta, A, B, C, ptr, D, reverse)
    dtype, exact = _types(u, delta)
    inputs = [u.to(dtype), delta.to(dtype), *(_padded(value.to(exact)) for value in (A, B, C))]
    skip = None if D is None else D.to(exact)
    trained = any(value.requires_grad for value in (*inputs, D) if value is not None)
    keep = recording() is not None or (torch.is_grad_enabled() and trained)
    return _scan(*inputs, skip, ptr.long(), reverse, keep)[0].to(u.dtype)


def reference(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    ptr: Tensor,
    D: Tensor | None = None,
    reverse: bool = False,
) -> Tensor:
    """The same in plain torch: a loop over the steps of all sequences, side by side."""
    ptr = ptr.long()
    exact, count = _types(u, delta)[1], ptr.diff()
    graphs, longest = len(count), max([1, *count.tolist()])
    graph = torch.repeat_interleave(torch.arange(graphs, device=u.device), count)
    row = torch.arange(len(u), device=u.device)
    slot = graph * longest + (ptr[graph + 1] - 1 - row if reverse else row - ptr[graph])

    def steps(value: Tensor) -> tuple[Tensor, ...]:
        value = value.to(exact)
        side = value.new_zeros(graphs * longest, value.shape[1]).index_copy(0, slot, value)
        return side.view(graphs, longest, value.shape[1]).unbind(1)

    A, state, outputs = A.to(exact), u.new_zeros(graphs, *A.shape, dtype=exact), []
    for u_t, delta_t, B_t, C_t in zip(*(steps(value) for value in (u, delta, B, C)), strict=True):
        state = torch.exp(delta_t.unsqueeze(-1) * A) * state + (delta_t * u_t).unsqueeze(-1) * B_t.unsqueeze(1)
        outputs.append((state * C_t.unsqueeze(1)).sum(-1))
    y = torch.stack(outputs, 1).flatten(0, 1)[slot]
    return (y if D is None else y + D.to(exact) * u).to(u.dtype)


def _types(u: Tensor, delta: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """Of the values of the channels, and of all else."""
    dtype = torch.promote_types(u.dtype, delta.dtype)
    return dtype, torch.promote_types(dtype, torch.float32)


def _padded(value: Tensor) -> Tensor:
    """With further states that stay 0."""
    missing = -value.shape[1] % STATES
    return pad(value, (0, missing)) if missing else value


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.reverse, _ = inputs
    kept = output[1]
    ctx.mark_non_differentiable(kept)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(kept, *tensors)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 9
    kept, *inputs = ctx.saved_tensors
    grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D = _scan_backward(grad, kept, *inputs, ctx.reverse)
    return grad_u, grad_delta, grad_A.t(), grad_B, grad_C, None if inputs[5] is None else grad_D[0], *[None] * 3


def _fake(u: Tensor, delta: Tensor, A: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    kept = (u.shape[0] + CHUNK - 1) // CHUNK if rest[-1] else 0
    return torch.empty_like(u), A.new_empty(kept, A.shape[1], A.shape[0])


def _fake_backward(grad: Tensor, kept: Tensor, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, *_: Any) -> tuple:
    grad_A, grad_D = A.new_empty(A.shape[1], A.shape[0]), A.new_empty(1, A.shape[0])
    return torch.empty_like(u), torch.empty_like(u), grad_A, torch.empty_like(B), torch.empty_like(B), grad_D


_scan = differentiable("selective_scan", _fake, _setup, _backward)
_scan_backward = kernel("selective_scan_backward", _fake_backward)
