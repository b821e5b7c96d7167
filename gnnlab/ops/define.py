"""From a compiled kernel and its backward to a differentiable function.

C++ declares the kernels and their schemas. Each op's file passes the rest to `kernel` and `differentiable`: the shapes
of the results (`fake`, for tracing), what the backward needs (`setup`), and the backward. A call runs in one of three
ways, of which the last two cost less of Python's time: a graph network makes many small calls.

- compiled: as `torch.library` has it, for `torch.compile` and `torch.ops.gnnlab`;
- eager: the op without its Python wrapper, in an autograd function without `torch.func`'s levels;
- eager within a layer recorded as one node (`gnnlab.ops.recorded.tape`): the op alone, noted on the tape.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd.function import _SingleLevelFunction

from gnnlab.ops.backend import on_load
from gnnlab.ops.recorded.tape import listening, recording, refuse_second_order

Setup = Callable[[Any, tuple, Any], None]
"""setup(ctx, inputs, output): keep on `ctx` what the backward needs. `torch.library` passes them by these names."""


def kernel(name: str, fake: Callable) -> Callable:
    """`torch.ops.gnnlab.<name>` with the shapes of its results from `fake`; not differentiable."""
    overload: Any = None  # both unset until the library is loaded
    eager: Any = None

    def register() -> None:
        nonlocal overload, eager
        overload = getattr(torch.ops.gnnlab, name).default
        eager = overload._op
        torch.library.register_fake(f"gnnlab::{name}", fake)

    def call(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return overload(*args)
        out = eager(*args)
        if listen := listening():
            listen(name, args, out)
        return out

    on_load(register)
    return call


def differentiable(name: str, fake: Callable, setup: Setup, backward: Callable) -> Callable:
    """`kernel`, differentiable: `backward(ctx, *grads)`, of the results, gives a gradient or None for each input."""
    call, backward = kernel(name, fake), _once(backward)
    on_load(lambda: torch.library.register_autograd(f"gnnlab::{name}", backward, setup_context=setup))

    def without_autograd(*args: Any) -> Any:
        """Past what is registered with `torch.library`: the caller sees to autograd itself."""
        with torch._C._AutoDispatchBelowAutograd():
            return call(*args)

    def forward(ctx: Any, *args: Any) -> Any:
        out = without_autograd(*args)
        setup(ctx, args, out)
        return out

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    apply: Callable = type(name, (_SingleLevelFunction,), members).apply  # pyright: ignore[reportAttributeAccessIssue]

    def op(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return call(*args)
        tape = recording()
        return apply(*args) if tape is None else tape.run(without_autograd, setup, backward, args)

    return op


def _once(backward: Callable) -> Callable:
    """`backward`, to be differentiated no further: its kernels have no derivative."""

    def refusing(ctx: Any, *grads: Any) -> Any:
        refuse_second_order()
        return backward(ctx, *grads)

    return refusing
