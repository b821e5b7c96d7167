"""A whole layer as one node of autograd's graph: its ops are noted as they run, and played backwards in one call.

A graph network's kernels take some ten microseconds each, and what Python and autograd do for each of them takes
longer. A layer's ops are written on a `tape`; what a layer did twice in the same way is code from then on (`replay`).
Results of a chain of layers are the same to the bit; where a head reads the states between them too, gradients are
added in another order. A layer that does anything else with its states is noticed, and
runs op by op as if nothing had been tried. So does a whole model, from a batch to its predictions, before its layers.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import _SingleLevelFunction
from torch.nn.modules.module import _has_any_global_hook
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from gnnlab.batch import Batch
from gnnlab.ops import backend
from gnnlab.ops.batchnorm import is_synchronised
from gnnlab.ops.recorded.direct import replayed
from gnnlab.ops.recorded.draft import Draft
from gnnlab.ops.recorded.replay import PLACE, Known, Program, Ran, backward_code, forward_code, kind
from gnnlab.ops.recorded.tape import Foreign, Tape, heard_by, recorded_on, recording

States = tuple[Tensor, Tensor | None]

LOOKS = {Tensor.to, Tensor.float, Tensor.dim, Tensor.size, Tensor.numel, Tensor.__len__, Tensor.is_floating_point}
"""What reads no value. A conversion that makes a new tensor is noticed later."""


def one_node(layer: nn.Module, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None) -> States:
    """layer(x, e, batch[, edge_weight]), in training on a CPU as one node of autograd's graph where that can be.

    The layer is called once more, from the same random state, where it turns out that it cannot.
    """

    def call(x: Tensor, e: Tensor | None, edge_weight: Tensor | None) -> States:
        """A layer is asked to weigh its edges only where there are weights: not every one can."""
        return layer(x, e, batch) if edge_weight is None else layer(x, e, batch, edge_weight)

    new_x, new_e = _one_node(layer, call, batch, x, e, edge_weight)
    return x if new_x is None else new_x, e if new_e is None else new_e


def model_as_one_node(model: nn.Module, run: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    """run(batch), all of what a model does, in the same way."""
    (out,) = _one_node(model, lambda: (run(batch),), batch)
    assert out is not None
    return out


def _one_node(module: nn.Module, call: Callable, batch: Batch, *states: Tensor | None) -> tuple[Tensor | None, ...]:
    """call(*states), what `module` does with them and the batch; in a node None for what it hands on as it came."""
    if torch.compiler.is_compiling() or not torch.is_grad_enabled() or not batch.ptr.is_cpu or _watched():
        return call(*states)
    known, of = vars(module).get(PLACE), kind(states, batch)
    if known is None or not (known.leaves(of) or known.current(module)):
        known = Known(module)
    if known.hooked or known.leaves(of):
        return call(*states)
    if program := known.programs.get(of):
        return replayed(program, known.parameters, batch, states)
    random = torch.get_rng_state()
    try:
        return _Recorded.apply(known, of, call, len(states), batch, *states, *known.parameters)  # pyright: ignore[reportAttributeAccessIssue]
    except Foreign:
        known.foreign.add(of)
        torch.set_rng_state(random)
        return call(*states)


def _watched() -> bool:
    """Whether something goes on that a node would hide from others, or others from it."""
    hooks, transforms = bool(_has_any_global_hook()), torch._C._are_functorch_transforms_active()
    return recording() is not None or backend.mode() == "reference" or is_synchronised() or hooks or transforms


class _Recorded(_SingleLevelFunction):
    """A layer that writes itself on a tape, and drafts its program."""

    @staticmethod
    def forward(
        ctx: Any, known: Known, of: tuple, call: Callable, count: int, batch: Batch, *given: Any
    ) -> tuple[Any, ...]:
        """What `call` makes of the first `count` given; None for what it hands on as it came."""
        tape, draft = Tape(given, batch), Draft(batch, "v") if known.tries else None
        names = (draft.call(given, "g"), draft.call(known.buffers, "b")) if draft else None
        with heard_by(draft.heard if draft else None):
            with (
                nullcontext() if known.own and of in known.recorded else Untouched(tape, known.buffers),
                recorded_on(tape),
            ):
                states = call(*given[:count])
            slots = tape.finish(states)
            for effect in tape.effects:
                effect()
        known.recorded.add(of)
        outputs = [slot if slot is not None and slot >= len(given) else None for slot in slots]
        states = tuple(None if slot is None else tape.tensors[slot] for slot in outputs)
        saved = [tensor for step in tape.steps for tensor in step.give()]
        ctx.ran = Ran(tape.steps, outputs, tape.needs, len(given))
        ctx.code = forward_code(draft, names, states, saved) if draft and names else None
        known.tries -= draft is not None and ctx.code is None
        ctx.known, ctx.of, ctx.batch, ctx.settled = known, of, batch, False
        ctx.mark_non_differentiable(*ctx.ran.constant(states))
        ctx.set_materialize_grads(False)
        if ctx.code is not None:  # save what the program will, as checkpoints expect
            named = dict(zip(ctx.code.flat, saved, strict=True))
            saved = [named[name] for name in ctx.code.results[1]]
        ctx.save_for_backward(*saved)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        if ctx.code is None:
            return None, None, None, None, None, *ctx.ran.play(ctx.saved_tensors, grads)
        result, code = backward_code(ctx.batch, ctx.code, ctx.ran, ctx.saved_tensors, grads)
        ctx.known.tries -= code is None
        if code is not None and not ctx.settled:
            ctx.settled = True
            arrive = tuple(grad is not None for grad in grads)
            arguments = (ctx.code, code), ctx.known, dict(ctx.batch.makers), ctx.ran, arrive
            ctx.known.settle(ctx.of, (ctx.code, code), lambda: Program(*arguments))
        return None, None, None, None, None, *result


class Untouched(TorchFunctionMode):
    """Raises `Foreign` before an operation of torch's reads or changes what is on a tape, or a buffer.

    For the first recording of a layer: so it leaves nothing behind, neither a change in place nor a value kept aside.
    """

    def __init__(self, tape: Tape, buffers: Sequence[Tensor]) -> None:
        super().__init__()
        self.tape, self.buffers = tape, {id(buffer) for buffer in buffers}

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        known, kernel = (self.tape.slots, self.buffers), getattr(func, "namespace", "") == "gnnlab"
        if not kernel and func not in LOOKS and getattr(func, "__name__", "") != "__get__":
            for arg in tree_leaves((args, kwargs)):
                if isinstance(arg, Tensor) and any(id(arg) in ids for ids in known):
                    raise Foreign
        return func(*args, **(kwargs or {}))
