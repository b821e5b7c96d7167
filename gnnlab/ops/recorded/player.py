"""Code (see `draft`) as a function: all its kernels in one call of C++ (`kernels/csrc/cpu/program.cpp`).

What Python and torch's dispatcher do for a kernel takes as long as many a kernel does. Where something watches every
kernel, as torch's profiler and dispatch modes do, Python calls them one by one, with the same results.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from gnnlab.batch import Batch
from gnnlab.ops.random import fresh_seed, fresh_seeds
from gnnlab.ops.recorded.draft import Code, Line, Name, Word

Groups = tuple[tuple[Tensor | None, ...], ...]
Player = Callable[..., Groups]
"""player(batch, makers, *groups of tensors): the groups of a code's results."""
CPU = torch.device("cpu")


@lru_cache(maxsize=256)
def player(code: Code) -> Player:
    """`code` in one call, or one by one where each kernel is watched."""
    fast, watched = in_one_call(code), one_by_one(code)

    def play(batch: Batch, makers: dict, *groups: Sequence[Tensor | None]) -> Groups:
        is_watched = torch.autograd._profiler_enabled() or torch._C._len_torch_dispatch_stack()  # pyright: ignore[reportPrivateImportUsage]
        return (watched if is_watched else fast)(batch, makers, *groups)

    return play


def one_by_one(code: Code) -> Player:
    """`code` with its kernels called from Python."""

    def play(batch: Batch, makers: dict, *groups: Sequence[Tensor | None]) -> Groups:
        known: dict[Name, Any] = {"batch": batch, "makers": makers}
        for names, tensors in zip(code.given, groups, strict=True):
            known.update(zip(names, tensors, strict=True))
        for line in code.lines:
            args = [eval(arg, known) if isinstance(arg, Name) else arg for arg in line.args]
            out = fresh_seed(CPU) if line.kernel == "fresh_seed" else _kernel(line.kernel)(*args)
            known.update(zip(line.made, out if isinstance(out, tuple | list) else (out,), strict=False))
        return tuple(tuple([None if name is None else eval(name, known) for name in group]) for group in code.results)

    return play


def in_one_call(code: Code) -> Player:
    """`code` as a function of one call of C++."""
    seeds = [line.made[0] for line in code.lines if line.kernel == "fresh_seed"]
    lines = [line for line in code.lines if line.kernel != "fresh_seed"]
    made = {name for line in lines for name in line.made}
    outside = [name for name in dict.fromkeys(_names(lines)) if name not in made]
    returned = list(dict.fromkeys(name for group in code.results for name in group if name in made))

    groups = (*code.given, seeds, returned)
    titles = *(f"given{i}" for i in range(len(code.given))), "seeds", "made"
    where = {name: f"{title}[{i}]" for title, names in zip(titles, groups, strict=True) for i, name in enumerate(names)}
    results = [_tuple(where.get(name, name) if name else "None" for name in group) for group in code.results]
    source = f"""def play(batch, makers, {", ".join(titles[:-2])}):
    seeds = fresh_seeds({len(seeds)})
    made = call([{", ".join(where.get(name, name) for name in outside)}], words)
    return {_tuple(results)}
"""
    with _disable_current_modes():  # it outlives them
        words = torch.tensor(encoded(lines, outside, returned), device=CPU)
    space = {"call": torch.ops.gnnlab.play.default._op, "words": words, "fresh_seeds": fresh_seeds}
    exec(source, space)
    return space["play"]


def encoded(lines: Sequence[Line], outside: Sequence[Name], returned: Sequence[Name]) -> list[int]:
    """The words of a program that is given the tensors of `outside`.

    A sum takes the place of a summand that ends: what a kernel returns is dense, and shares no memory with anything.
    """
    slots = {name: 1 + i for i, name in enumerate(outside)}
    count, words = 1 + len(slots), list[int]()
    for line, over in zip(lines, _over(lines, returned), strict=True):
        kernel, made = line.kernel, line.made
        if kernel == "add" and line.args[0] in over and line.args[0] not in outside:
            kernel, made = "add_", ()
            slots[line.made[0]] = slots[over.pop(over.index(line.args[0]))]
        slots |= {name: count + i for i, name in enumerate(made)}
        count += len(made)
        kinds = [str(argument.type) for argument in _kernel(kernel)._schema.arguments]
        said = [_word(arg, kind, slots) for arg, kind in zip(line.args, kinds, strict=True)]
        words += [_number(kernel), *said, *(slots[name] for name in made), len(over), *(slots[name] for name in over)]
    return [count, len(returned), *(slots[name] for name in returned), *words]


def _over(lines: Sequence[Line], returned: Sequence[Name]) -> list[list[Name]]:
    """What is not needed after each of the lines any more."""
    over, later = list[list[Name]](), set(returned)
    for line in reversed(lines):
        names = dict.fromkeys((*_names([line]), *line.made))
        over.append([name for name in names if name not in later])
        later |= names.keys()
    return over[::-1]


def _number(kernel: str) -> int:
    if (number := torch.ops.gnnlab.instruction(kernel)) < 0:
        raise ValueError(f"{kernel} is no instruction")
    return number


def _word(arg: Word, kind: str, slots: dict[Name, int]) -> int:
    """The slot of a tensor, 0 for none; a whole number; the bits of a double."""
    if arg is None:
        return 0
    if isinstance(arg, Name):
        return slots[arg]
    return struct.unpack("q", struct.pack("d", arg))[0] if kind == "float" else int(arg)


def _tuple(names: Iterable[str]) -> str:
    return f"({''.join(f'{name}, ' for name in names)})"


def _names(lines: Sequence[Line]) -> Iterator[Name]:
    return (arg for line in lines for arg in line.args if isinstance(arg, Name))


def _kernel(name: str) -> Any:
    return getattr(torch.ops.gnnlab, name).default
