"""What kernels do as code: straight lines that come about while they run, one a kernel.

    v12, v13 = mlp(v11, g3, g4, g5, g6, 0.0, None)

g… is what a layer was given, b… are its buffers, d… gradients, v… (in a backward t…) what kernels have made.
"""

import linecache
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.random import fresh_seed


class Draft:
    """Lines of code that come about while kernels run. What these make is called by a `letter` and a number."""

    def __init__(self, batch: Batch, letter: str) -> None:
        self.batch, self.letter = batch, letter
        self.names: dict[int, str] = {}  # of tensors, by identity
        self.alive: list[Any] = []  # lest an identity is used again
        self.lines: list[str] = []
        self.kernels: set[str] = set()
        self.complete = True

    def call(self, tensors: Sequence[Tensor | None], names: str | Sequence[str]) -> list[str]:
        """Names for tensors: those given, or g0, g1, … One tensor in two roles would be one for ever: no code then."""
        titles = [f"{names}{i}" for i in range(len(tensors))] if isinstance(names, str) else list(names)
        for tensor, title in zip(tensors, titles, strict=True):
            if tensor is not None:
                self.complete &= self.names.setdefault(id(tensor), title) == title
        self.alive += tensors
        return titles

    def heard(self, kernel: str, args: tuple, out: Any) -> None:
        """A kernel has run (see `gnnlab.ops.tape.Listener`)."""
        said = self.say(args)
        made = () if out is None else out if isinstance(out, tuple) else (out,)
        titles = self.call(made, [f"{self.letter}{len(self.alive) + i}" for i in range(len(made))])
        self.alive += args
        self.kernels.add(kernel)
        self.lines.append(f"{', '.join(titles)}{' = ' if made else ''}{kernel}({', '.join(said)})")

    def say(self, values: Sequence[Any]) -> list[str]:
        """The expressions for arguments; `complete` is over if there is none for one."""
        return [self._say(value) for value in values]

    def _say(self, value: Any) -> str:
        said = ""
        if isinstance(value, Tensor):
            places = self.batch.places_of(value) if id(value) not in self.names else []
            said = self.names.get(id(value)) or (places[0] if len(places) == 1 else "")
        elif value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            said = repr(value)
        self.complete &= said != ""
        return said

    def function(self, head: str, first: Sequence[str], last: str) -> str:
        """The source of a function of these lines, which drops what they make after its last use."""
        lines, later = [f"return {last}"], self._made(last)
        for line in reversed(self.lines):
            if done := self._made(line) - later:
                lines.append(f"del {', '.join(sorted(done))}")
            lines.append(line)
            later |= self._made(line)
        return "\n    ".join([f"def run({head}):", *first, *reversed(lines)]) + "\n"

    def _made(self, line: str) -> set[str]:
        return set(re.findall(rf"\b{self.letter}\d+\b", line))


@dataclass(frozen=True)
class Code:
    """The source of a function, and the kernels that it calls.

    Of a forward also `flat`: what the saved tensors of its steps, one after the other, are called; and `saved`: those
    of them, each once, that are not the batch's.
    """

    source: str
    kernels: frozenset[str]
    flat: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()


def forward_code(
    draft: Draft, names: tuple[list[str], list[str]], states: Sequence[Tensor | None], saved: Sequence[Tensor | None]
) -> Code | None:
    """The forward of a recording; None if a value is in it that no expression stands for."""
    flat, given, buffers = draft.say(saved), *map(listed, names)
    own = tuple(name for name in dict.fromkeys(flat) if name.isidentifier() and name != "None")
    last = f"{listed(draft.say(states))}, {listed(own)}"
    source = draft.function("batch, makers, given, buffers", [f"{given} = given", f"{buffers} = buffers"], last)
    return Code(source, frozenset(draft.kernels), tuple(flat), own) if draft.complete else None


def listed(names: Sequence[str]) -> str:
    """A tuple as code: (g0, g1,)."""
    return f"({''.join(f'{name}, ' for name in names)})"


@lru_cache(maxsize=256)
def compiled(code: Code) -> Callable:
    """The function of a source; tracebacks show its lines."""
    source = code.source
    place = f"<gnnlab.ops.replay {len(linecache.cache)}>"
    linecache.cache[place] = len(source), None, source.splitlines(keepends=True), place
    known: dict[str, Any] = {"add": torch.add, "fresh_seed": lambda: fresh_seed(torch.device("cpu"))}
    space = {name: known.get(name) or getattr(torch.ops.gnnlab, name).default._op for name in code.kernels}
    exec(compile(source, place, "exec"), space)
    return space["run"]
