"""From a compiled kernel and its backward to a differentiable function.

The kernels' schemas are in C++. What is said here, once for each op: the shapes of its results (for tracing),
what its backward needs, and the backward itself. Autograd is registered with `torch.library`, which
`torch.compile` and `torch.ops.gnnlab` see; eager code takes a shorter way, which a graph network's many small
calls notice: an autograd function without `torch.func`'s levels, and the op without its Python wrapper, or no
autograd function at all where a whole layer is one (`gnnlab.ops.tape`).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd.function import _SingleLevelFunction

from gnnlab.ops.backend import on_load
from gnnlab.ops.tape import recording

Setup = Callable[[Any, tuple, Any], None]
"""setup(ctx, inputs, output): keep on `ctx` what the backward needs."""


def kernel(name: str, fake: Callable) -> Callable:
    """`torch.ops.gnnlab.<name>` with the shapes of its results from `fake`; not differentiable."""
    overload: Any = None
    eager: Any = None

    def register() -> None:
        nonlocal overload, eager
        overload = getattr(torch.ops.gnnlab, name).default
        eager = overload._op
        torch.library.register_fake(f"gnnlab::{name}", fake)

    def call(*args: Any) -> Any:
        return overload(*args) if torch.compiler.is_compiling() else eager(*args)

    on_load(register)
    return call


def differentiable(name: str, fake: Callable, setup: Setup, backward: Callable) -> Callable:
    """The same, with `backward(ctx, *gradients)` giving a gradient or None for each input."""
    call = kernel(name, fake)
    on_load(lambda: torch.library.register_autograd(f"gnnlab::{name}", backward, setup_context=setup))

    def below(*args: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return call(*args)

    def forward(ctx: Any, *args: Any) -> Any:
        out = below(*args)
        setup(ctx, args, out)
        return out

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    apply: Callable = type(name, (_SingleLevelFunction,), members).apply  # pyright: ignore[reportAttributeAccessIssue]

    def op(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return call(*args)
        tape = recording()
        return apply(*args) if tape is None else tape.run(below, setup, backward, args)

    return op
