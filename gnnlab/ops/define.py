"""From a compiled kernel and its backward to a differentiable function.

The kernels' schemas are in C++. What is said here, once for each op: the shapes of its results (for tracing),
what its backward needs, and the backward itself. Autograd is registered with `torch.library`, which
`torch.compile` and `torch.ops.gnnlab` see; eager code takes the shorter way through an `autograd.Function`.
"""

from collections.abc import Callable
from typing import Any

import torch

from gnnlab.ops.backend import on_load

Setup = Callable[[Any, tuple, Any], None]
"""setup(ctx, inputs, output): keep on `ctx` what the backward needs."""


def kernel(name: str, fake: Callable) -> Callable:
    """`torch.ops.gnnlab.<name>` with the shapes of its results from `fake`; not differentiable."""
    overload: Any = None

    def register() -> None:
        nonlocal overload
        overload = getattr(torch.ops.gnnlab, name).default
        torch.library.register_fake(f"gnnlab::{name}", fake)

    def call(*args: Any) -> Any:
        return overload(*args)

    on_load(register)
    return call


def differentiable(name: str, fake: Callable, setup: Setup, backward: Callable) -> Callable:
    """The same, with `backward(ctx, *gradients)` giving a gradient or None for each input."""
    call = kernel(name, fake)
    on_load(lambda: torch.library.register_autograd(f"gnnlab::{name}", backward, setup_context=setup))

    def forward(ctx: Any, *args: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            out = call(*args)
        setup(ctx, args, out)
        return out

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    function = type(name, (torch.autograd.Function,), members)

    def op(*args: Any) -> Any:
        return call(*args) if torch.compiler.is_compiling() else function.apply(*args)

    return op
