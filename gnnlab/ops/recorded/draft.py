"""What kernels do as code: straight lines that come about while they run, one a kernel.

    v12, v13 = mlp(v11, g3, g4, g5, g6, 0.0, None)

g… is what a layer was given, b… are its buffers, d… gradients, v… (in a backward t…) what kernels have made.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gnnlab.batch import Batch

Name = str
"""Of a tensor: v12, or where a batch has it, `batch.edges.source`."""
Word = Name | float | int | bool | None


@dataclass(frozen=True)
class Line:
    """A call of a kernel, and what its results are called."""

    kernel: str
    args: tuple[Word, ...]
    made: tuple[Name, ...]

    def __str__(self) -> str:
        call = f"{self.kernel}({', '.join(map(str, self.args))})"
        return f"{', '.join(self.made)} = {call}" if self.made else call


@dataclass(frozen=True)
class Code:
    """Lines, from tensors in groups (the names of each) to tensors in groups, of which some are None.

    Of a forward also `flat`: what the saved tensors of its steps, one after the other, are called. Those of them that
    are not the batch's are the second group of its results, each once.
    """

    given: tuple[tuple[Name, ...], ...]
    lines: tuple[Line, ...]
    results: tuple[tuple[Name | None, ...], ...]
    flat: tuple[Name | None, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.lines))


class Draft:
    """Lines of code that come about while kernels run. What these make is called by a `letter` and a number."""

    def __init__(self, batch: Batch, letter: str) -> None:
        self.batch, self.letter = batch, letter
        self.names: dict[int, Name] = {}  # of tensors, by identity
        self.alive: list[Any] = []  # lest an identity is used again
        self.lines: list[Line] = []
        self.complete = True

    def call(self, tensors: Sequence[Tensor | None], names: str | Sequence[Name]) -> tuple[Name, ...]:
        """Names for tensors: those given, or g0, g1, … One tensor in two roles would be one for ever: no code then."""
        titles = [f"{names}{i}" for i in range(len(tensors))] if isinstance(names, str) else names
        for tensor, title in zip(tensors, titles, strict=True):
            if tensor is not None:
                self.complete &= self.names.setdefault(id(tensor), title) == title
        self.alive += tensors
        return tuple(titles)

    def heard(self, kernel: str, args: tuple, out: Any) -> None:
        """A kernel has run (see `gnnlab.ops.recorded.tape.Listener`)."""
        said = self.say(args)
        made = () if out is None else out if isinstance(out, tuple) else (out,)
        titles = self.call(made, [f"{self.letter}{len(self.alive) + i}" for i in range(len(made))])
        self.alive += args
        self.lines.append(Line(kernel, said, titles))

    def say(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The words for arguments; `complete` is over if there is none for one."""
        return tuple(map(self._say, values))

    def _say(self, value: Any) -> Word:
        if isinstance(value, Tensor):
            places = self.batch.places_of(value) if id(value) not in self.names else []
            said = self.names.get(id(value)) or (places[0] if len(places) == 1 else None)
            self.complete &= said is not None
            return said
        self.complete &= value is None or (isinstance(value, bool | int | float) and math.isfinite(value))
        return value

    def code(
        self,
        given: tuple[tuple[Name, ...], ...],
        results: tuple[Sequence[Tensor | None], ...],
        flat: tuple[Name | None, ...] = (),
    ) -> Code | None:
        """The lines so far; None if there is a value in them that no word stands for."""
        said = tuple(map(self.say, results))
        return Code(given, tuple(self.lines), said, flat) if self.complete else None
