"""A layer's kernels without the layer: what Python does between two of them, done once.

A layer that did the same in two recordings (`one_node`) does so again while nothing in it changes. Its forward and its
backward are then code of one line a kernel (`draft`). Before every call `Known.current` looks whether the layer is what
it was, and `kind` says which program its states are for.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain
from operator import is_
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import _SingleLevelFunction

from gnnlab.batch import Batch
from gnnlab.ops.recorded.draft import Code, Draft, Name
from gnnlab.ops.recorded.player import player
from gnnlab.ops.recorded.tape import Listener, Step, heard_by, refuse_second_order

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
PLACE = "_known_by_one_node"
TRIES = 8
"""Recordings of a layer that are drafted before it is left at that."""


def kind(states: Sequence[Tensor | None], batch: Batch) -> tuple:
    """What decides beside the layer itself; of a batch that is read without states, what it holds too.

    One row is a kind of its own: norms do not measure it.
    """
    of_states = [None if state is None else (state.dtype, state.requires_grad) for state in states]
    rows = batch.num_nodes, batch.num_edges, *(() if states else (batch.num_graphs,))
    read = () if states else (batch.node, batch.edge)
    features = [(name, value.dtype, value.dim()) for group in read for name, value in group.items()]
    return *of_states, *features, batch.is_padded, *[count > 1 for count in rows], torch.is_autocast_enabled("cpu")


@dataclass
class Ran:
    """What a recording leaves for its backward: the steps, and by slot the outputs and what needs a gradient."""

    steps: list[Step]
    outputs: list[int | None]
    needs: list[bool]
    num_given: int

    def constant(self, states: Sequence[Tensor | None]) -> list[Tensor]:
        """The outputs without a gradient."""
        pairs = zip(self.outputs, states, strict=True)
        return [state for slot, state in pairs if slot is not None and state is not None and not self.needs[slot]]

    def play(
        self, saved: Sequence[Tensor | None], grads: Sequence[Tensor | None], added: Listener | None = None
    ) -> list[Tensor | None]:
        """The gradients of what was given, from those of the outputs."""
        slots: list[Tensor | None] = [None] * len(self.needs)
        tensors, steps = iter(saved), [copy(step) for step in self.steps]
        for step in steps:
            step.take(tensors)
        for slot, grad in zip(self.outputs, grads, strict=True):
            if slot is not None:
                slots[slot] = grad
        with torch._C._AutoDispatchBelowAutograd():
            for step in reversed(steps):
                step.play(slots, self.needs, added)
        return slots[: self.num_given]


def forward_code(
    draft: Draft,
    given: tuple[tuple[Name, ...], ...],
    states: Sequence[Tensor | None],
    saved: Sequence[Tensor | None],
) -> Code | None:
    """The forward of a recording, from what the layer was given and its buffers; None if it cannot be code."""
    flat = draft.say(saved)
    names = {name: tensor for name, tensor in zip(flat, saved, strict=True) if name and name.isidentifier()}
    return draft.code(given, (states, tuple(names.values())), flat)


def backward_code(
    batch: Batch, forward: Code, ran: Ran, saved: Sequence[Tensor | None], grads: Sequence[Tensor | None]
) -> tuple[list[Tensor | None], Code | None]:
    """The gradients of what was given, from those of the outputs, and the code that has found them."""
    draft, names = Draft(batch, "t"), [name for name in forward.results[1] if name]
    kept = unpacked(forward, batch, batch.makers, saved)
    given = draft.call(saved, names), draft.call(grads, "d")
    with heard_by(draft.heard):
        result = ran.play(kept, grads, draft.heard)
    return result, draft.code(given, (result,))


def unpacked(forward: Code, batch: Batch, makers: dict, saved: Sequence[Tensor | None]) -> list[Tensor | None]:
    """What the steps have saved, one after the other, from what is kept of it."""
    space = {"batch": batch, "makers": makers, **dict(zip(forward.results[1], saved, strict=True))}
    return [None if name is None else eval(name, space) for name in forward.flat]


class Program:
    """A layer as two functions, for one kind of states. `arrive`: which outputs got a gradient when it was recorded.

    `hands_over`: every gradient that the backward finds is a tensor of its own, which nobody else holds.
    """

    def __init__(
        self, codes: tuple[Code, Code], known: "Known", makers: dict, ran: Ran, arrive: tuple[bool, ...]
    ) -> None:
        self.forward, self.backward = map(player, codes)
        self.codes, self.buffers, self.makers = codes, known.buffers, makers
        self.ran, self.arrive = ran, arrive
        found = [name for name in codes[1].results[0] if name]
        made = {name for line in codes[1].lines for name in line.made}
        self.hands_over = len(found) == len(set(found)) and made.issuperset(found)

    def grads(self, batch: Batch, saved: Sequence[Tensor], grads: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        """The gradients of what was given; step by step where others arrive than those that the code is for."""
        if tuple([grad is not None for grad in grads]) == self.arrive:
            with torch._C._AutoDispatchBelowAutograd():
                return self.backward(batch, self.makers, saved, grads)[0]
        return self.ran.play(unpacked(self.codes[0], batch, self.makers, saved), grads)


class Known:
    """What the recordings of a layer have shown, until something in it changes. Kept in it, and not in its copies.

    `left_alone`: a chain of layers, or a whole model, that changes at every step, or has a part of another package. Its
    layers are better off as nodes of their own.
    """

    def __init__(self, layer: nn.Module) -> None:
        before, vars(layer)[PLACE] = vars(layer).get(PLACE), self
        modules = list(layer.modules())
        self.parameters, self.buffers = tuple(layer.parameters()), tuple(layer.buffers())
        self.attributes, self.types = [vars(module) for module in modules], {type(module) for module in modules}
        self.parts = [part for each in modules for part in (each._parameters, each._buffers, each._modules)]
        self.hooks = [getattr(module, name) for module in modules for name in HOOKS]
        self.told = [dict(own) for own in self.attributes]
        self.counts, self.state, self.hooked = list(map(len, self.parts)), list(self._state()), self._hooked()
        self.recorded: set[tuple] = set()
        self.foreign: set[tuple] = set()
        packages = ("gnnlab.", "torch.")
        self.own = all(kind.__module__.startswith(packages) for kind in self.types)
        self.own &= not any("forward" in own for own in self.attributes)  # one of a user's
        self.changes = 0 if before is None else before.changes + 1
        self.has_nodes_within = getattr(layer, "has_nodes_within", False)
        self.left_alone = self.has_nodes_within and (not self.own or self.changes > TRIES)
        self.tries = TRIES if self.own else 0
        self.drafts: dict[tuple, tuple[Code, Code]] = {}
        self.programs: dict[tuple, Program] = {}

    def __reduce__(self) -> tuple:
        return type(None), ()

    def leaves(self, of: tuple) -> bool:
        """Whether it is called as it is without another look."""
        return self.left_alone or (self.has_nodes_within and of in self.foreign)

    def current(self, layer: nn.Module) -> bool:
        """Whether all attributes, parameters, buffers and modules in it are what they were, and as free of hooks."""
        if self.attributes[0] is not vars(layer):  # a shallow copy
            return False
        if list(map(len, self.parts)) != self.counts or not all(map(is_, self._state(), self.state)):
            return False
        try:  # what was set anew to the same value is the same
            return self.attributes == self.told and self._hooked() == self.hooked
        except (RuntimeError, ValueError):  # a new tensor or array as an attribute: it is equal in many ways
            return False

    def _hooked(self) -> bool:
        return any(self.hooks) or any(p._backward_hooks or p._post_accumulate_grad_hooks for p in self.parameters)

    def _state(self) -> Iterator[Any]:
        """Its parameters, buffers and modules, which parameters are trained, and what the modules run."""
        parts = chain.from_iterable(map(dict.values, self.parts))
        return chain(parts, [p.requires_grad for p in self.parameters], [kind.forward for kind in self.types])

    def settle(self, of: tuple, codes: tuple[Code, Code], program: Callable[[], Program]) -> None:
        """Keep the program of a recording whose code is that of the one before."""
        if self.drafts.get(of) == codes:
            self.programs[of] = program()
        self.drafts[of] = codes
        self.tries -= 1


class Replayed(_SingleLevelFunction):
    """A program as a node of autograd's graph."""

    @staticmethod
    def forward(ctx: Any, program: Program, batch: Batch, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        """The states after the layer; None for one that it hands on as it came."""
        with torch._C._AutoDispatchBelowAutograd():
            states, saved = program.forward(batch, program.makers, given, program.buffers)
        ctx.program, ctx.batch = program, batch
        ctx.mark_non_differentiable(*program.ran.constant(states))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*saved)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        refuse_second_order()
        return None, None, *ctx.program.grads(ctx.batch, ctx.saved_tensors, grads)
