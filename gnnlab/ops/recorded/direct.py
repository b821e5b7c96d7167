"""A replayed layer that puts the gradients of its parameters where they belong, without a node of autograd's for each.

A model of this field has hundreds of parameters of a few thousand numbers: what autograd does to hand over a gradient
takes longer than what a kernel does to find it.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import _SingleLevelFunction

from gnnlab.batch import Batch
from gnnlab.ops.recorded.replay import Program, Replayed


class _Thread(threading.local):
    is_direct = False


_here = _Thread()


@contextmanager
def direct_gradients() -> Iterator[None]:
    """For a forward whose loss is asked for nothing but `.backward()`, which leaves in `.grad` what it always does.

    The parameters of recorded layers are no part of autograd's graph then: `torch.autograd.grad` does not know them.
    """
    before, _here.is_direct = _here.is_direct, True
    try:
        yield
    finally:
        _here.is_direct = before


def replayed(
    program: Program, parameters: Sequence[nn.Parameter], batch: Batch, states: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """A layer's program on states; None for one that it hands on as it came."""
    if _here.is_direct and program.hands_over:
        return _Direct.apply(program, parameters, batch, torch.empty(0, requires_grad=True), *states)  # pyright: ignore[reportAttributeAccessIssue]
    return Replayed.apply(program, batch, *states, *parameters)  # pyright: ignore[reportAttributeAccessIssue]


class _Direct(_SingleLevelFunction):
    """`Replayed` with the parameters out of autograd's sight; `anchor` stands for them in its graph."""

    @staticmethod
    def forward(
        ctx: Any,
        program: Program,
        parameters: Sequence[nn.Parameter],
        batch: Batch,
        anchor: Tensor,
        *states: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        ctx.parameters = parameters
        return Replayed.forward(ctx, program, batch, *states, *parameters)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        _, _, *found = Replayed.backward(ctx, *grads)
        first = len(found) - len(ctx.parameters)
        for parameter, grad in zip(ctx.parameters, found[first:], strict=True):
            if grad is not None:
                if parameter.grad is None:
                    parameter.grad = grad
                else:
                    parameter.grad += grad
        return None, None, None, None, *found[:first]
