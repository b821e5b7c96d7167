"""How everything here is timed: contenders take turns, medians are kept, floors come from the same run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from statistics import median

import torch
from torch import Tensor

Call = Callable[[], object]
Results = Tensor | tuple[Tensor, ...]


@dataclass
class Settings:
    """What the command line chose."""

    device: str = "cpu"
    quick: bool = False
    ops: tuple[str, ...] = ()
    seconds: float = 3.0
    """To spend on one comparison; a slow one takes five rounds all the same."""


SETTINGS = Settings()


@dataclass
class Row:
    """One thing measured: ours, the peers by name, and the floors by name, all in `unit`."""

    op: str
    shape: str
    kind: str
    unit: str
    ours: float
    peers: dict[str, float]
    floors: dict[str, float] = field(default_factory=dict)

    @property
    def best_peer(self) -> str:
        return min(self.peers, key=lambda name: self.peers[name])

    @property
    def ratio(self) -> float:
        """How many times faster ours is than the best peer."""
        return self.peers[self.best_peer] / self.ours


def clock(call: Call) -> float:
    """Seconds of one call, the device's work included."""
    start = time.perf_counter()
    call()
    if SETTINGS.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def race(calls: dict[str, Call], longer: float = 1.0, turn: float = 0.0) -> dict[str, float]:
    """Median milliseconds of a call of each, in turns of one call or of `turn` seconds, after two that do not count."""
    for call in calls.values():
        clock(call)
    names = list(calls)
    once = {name: clock(call) for name, call in calls.items()}
    in_a_row = {name: max(1, int(turn / seconds)) for name, seconds in once.items()}
    round_ = sum(once[name] * in_a_row[name] for name in names)
    least, seconds = 2 if SETTINGS.quick else 5, longer * SETTINGS.seconds
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(max(least, min(200, int(seconds / round_)))):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            times[name] += [clock(calls[name]) for _ in range(in_a_row[name])]
    return {name: 1000 * median(values) for name, values in times.items()}


def gradients(function: Callable[..., Results], inputs: Sequence[Tensor]) -> Callable[[], tuple[Tensor, ...]]:
    """A call of `function` and the gradients of all floating inputs for one fixed gradient of its results."""
    leaves = [value.detach().requires_grad_(value.is_floating_point()) for value in inputs]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    generator = torch.Generator(SETTINGS.device).manual_seed(1)
    with torch.no_grad():
        seeds = [torch.randn(out.shape, generator=generator, device=out.device) for out in several(function(*leaves))]

    def call() -> tuple[Tensor, ...]:
        return torch.autograd.grad(several(function(*leaves)), wanted, seeds)

    return call


def several(results: Results) -> tuple[Tensor, ...]:
    return results if isinstance(results, tuple) else (results,)


def check_agreement(results: dict[str, Results], tolerance: float = 1e-4, apart: float = 1e-3) -> None:
    """What is compared in time computes the same, up to a share of the entries: ties of a maximum."""
    for name, values in results.items():
        for ours, theirs in zip(several(results["ours"]), several(values), strict=True):
            scale = max(float(ours.abs().max()), 1e-6) if ours.numel() else 1.0
            far = (~torch.isclose(ours, theirs, rtol=10 * tolerance, atol=tolerance * scale)).float().mean()
            assert not far > apart, f"{name} computes something else in {far:.1%} of the entries"


@cache
def bandwidth(size: int) -> float:
    """Bytes per second, read and written, of copying tensors of `size` bytes altogether."""
    source = torch.zeros(max(size // 8, 1024), device=SETTINGS.device)
    target = torch.empty_like(source)
    milliseconds = race({"copy": lambda: target.copy_(source)}, longer=0.1)["copy"]
    return 2 * source.numel() * source.element_size() / milliseconds * 1000


def copy_floor(size: float) -> float:
    """Milliseconds to move `size` bytes at the speed of a copy with that working set."""
    rounded = 1 << max(16, min(30, round(size).bit_length()))
    return size / bandwidth(rounded) * 1000


def product_floor(sizes: Sequence[tuple[int, int, int]]) -> float:
    """Milliseconds of the bare matrix products (rows, inner, columns)."""
    total = 0.0
    for rows, inner, columns in sizes:
        a, b = (torch.randn(size, device=SETTINGS.device) for size in ((rows, inner), (inner, columns)))
        out = torch.empty(rows, columns, device=SETTINGS.device)
        total += race({"product": partial(torch.mm, a, b, out=out)}, longer=0.1)["product"]
    return total
