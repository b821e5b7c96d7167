"""What the ops of a layer do, written down as they run, so that one node of autograd's graph can play it backwards.

The ops of `gnnlab.ops.define` say what their backward needs, and gradients are added in the order in which autograd
adds them: results are the same to the bit. A layer that does anything else with its states (an operation of torch's
between two ops, a change in place) raises `Foreign`; see `gnnlab.ops.recorded.one_node`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.errors import UsageError

Listener = Callable[[str, tuple, Any], None]
"""listener(op, args, results) of every kernel that has run."""


class _Thread(threading.local):
    """What listens in a thread, and what its layer is written on."""

    listener: Listener | None = None
    tape: "Tape | None" = None


_here = _Thread()


class Foreign(Exception):
    """A state came from somewhere else than an op."""


@contextmanager
def heard_by(listen: Listener | None) -> Iterator[None]:
    """Within it, `listen` is told of every kernel that has run."""
    before, _here.listener = _here.listener, listen
    try:
        yield
    finally:
        _here.listener = before


def listening() -> Listener | None:
    """Who is told of this thread's kernels, if someone is."""
    return _here.listener


@contextmanager
def recorded_on(tape: "Tape") -> Iterator[None]:
    """Within it, ops write themselves on `tape`."""
    _here.tape = tape
    try:
        yield
    finally:
        _here.tape = None


def recording() -> "Tape | None":
    """The tape of the layer that runs, if one does."""
    return _here.tape


def decided_by_values() -> None:
    """Called where numbers in a batch decide what is done. Raises `Foreign` in a recording, which is for any batch."""
    if _here.tape is not None:
        raise Foreign


def refuse_second_order() -> None:
    """Raises `UsageError` in a backward that is itself to be differentiated."""
    if torch.is_grad_enabled():
        raise UsageError("The fused ops have no second derivatives (create_graph=True): use ops=reference.")


class Step:
    """One op that ran: stands in for autograd's context in its `setup` and `backward`."""

    def __init__(self, backward: Callable, inputs: list[int | None], outputs: range, needs: tuple[bool, ...]) -> None:
        self.backward, self.inputs, self.outputs, self.needs_input_grad = backward, inputs, outputs, needs
        self.saved_tensors: Sequence[Tensor | None] = ()
        self.num_saved = 0

    def give(self) -> Sequence[Tensor | None]:
        """Hand the saved tensors to autograd, which keeps and frees them."""
        saved, self.saved_tensors = self.saved_tensors, ()
        self.num_saved = len(saved)
        return saved

    def take(self, saved: Iterator[Tensor | None]) -> None:
        """Take them back for the backward."""
        self.saved_tensors = list(islice(saved, self.num_saved))

    def play(self, grads: list[Tensor | None], needs: Sequence[bool], added: Listener | None = None) -> None:
        """From the gradients of the outputs, by slot, to those of the inputs. `added` hears of sums as of a kernel."""
        arrived = [grads[slot] for slot in self.outputs]
        if all(grad is None for grad in arrived):
            return
        for slot in self.outputs:
            grads[slot] = None
        for slot, grad in zip(self.inputs, self.backward(self, *arrived), strict=True):
            if slot is not None and grad is not None and needs[slot]:
                before = grads[slot]
                grads[slot] = grad if before is None else before + grad
                if added and before is not None:
                    added("add", (before, grad), grads[slot])
        self.saved_tensors = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Nothing asks for their gradients."""

    def set_materialize_grads(self, value: bool) -> None:
        """Outputs without a gradient are None in any case."""


class Tape:
    """What ran, in order. A tensor is known by its slot: first what the layer was given, then what ops returned.

    `needs[slot]`: whether that tensor needs a gradient. `effects`: what ops do beside computing (running statistics),
    done once the recording is known to be valid.
    """

    def __init__(self, given: Sequence[Tensor | None], batch: Batch) -> None:
        self.batch = batch
        self.steps: list[Step] = []
        self.effects: list[Callable[[], object]] = []
        self.tensors: list[Tensor | None] = list(given)
        self.needs = [tensor is not None and tensor.requires_grad for tensor in given]
        self.versions = _versions(given)
        self.slots: dict[int, int | None] = {id(tensor): slot for slot, tensor in enumerate(given)}
        self.slots[id(None)] = None  # an absent state has no slot

    def run(self, call: Callable, setup: Callable, backward: Callable, args: tuple) -> Any:
        """`call(*args)`, noted."""
        slots, needs = self.slots, self.needs
        inputs = [slots[id(arg)] if id(arg) in slots else self._constant(arg) for arg in args]
        inputs_need = tuple([slot is not None and needs[slot] for slot in inputs])
        out = call(*args)
        made, first = out if isinstance(out, tuple) else (out,), len(needs)
        needs_backward = True in inputs_need
        for tensor in made:
            slots[id(tensor)] = len(needs)
            needs.append(needs_backward)
        self.tensors += made
        if needs_backward:
            step = Step(backward, inputs, range(first, len(needs)), inputs_need)
            setup(step, args, out)
            self.steps.append(step)
        return out

    def _constant(self, arg: Any) -> None:
        """An argument without a slot. Raises `Foreign` for a float tensor that is not the batch's, or is trained."""
        if isinstance(arg, Tensor) and arg.is_floating_point() and (arg.requires_grad or not self.batch.places_of(arg)):
            raise Foreign

    def finish(self, states: Sequence[Tensor | None]) -> list[int | None]:
        """The slots of the layer's states. Raises `Foreign` if one is not known, or anything was changed in place."""
        versions = _versions(self.tensors)
        given = len(self.versions)
        if versions[:given] != self.versions or any(versions[given:]) or any(id(s) not in self.slots for s in states):
            raise Foreign
        return [self.slots[id(state)] for state in states]


def _versions(tensors: Sequence[Tensor | None]) -> list[int]:
    return [0 if tensor is None else tensor._version for tensor in tensors]
