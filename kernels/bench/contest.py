"""One op against its peers on one batch: forward, and forward with backward, the same inputs for all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from gnnlab.batch import Batch
from kernels.bench.graphs import Shape
from kernels.bench.measure import SETTINGS, Row, check_agreement, copy_floor, gradients, product_floor, race

Function = Callable[..., Tensor | tuple[Tensor, ...]]
Maker = Callable[[Batch], Function]
"""What a contender prepares once for a batch, and then calls on the inputs."""

MOST = 2_000_000_000
"""Bytes that a forward pass may move. Peers keep some ten arrays of its size, and more would not fit beside ours."""

HAS_PYG = find_spec("torch_geometric") is not None
HAS_SCATTER = find_spec("torch_scatter") is not None


@dataclass(frozen=True)
class Op:
    """`inputs(batch, width)` go to `ours(batch)`, to `plain(batch)`, our reference in plain torch, and to `peers`.

    `moved(batch, width)`: how many numbers the forward pass must read and write, a row for each edge that it
    gathers along, and how many the backward pass. `products(batch, width)`: the matrix products of the forward pass,
    (rows, inner, columns) each; the backward pass has two for each. `compiles`: whether torch.compile is
    worth a try. `exact`: whether all compute the same, to `tolerance`, but for a share `apart` of the entries;
    not with random dropout.
    """

    name: str
    inputs: Callable[[Batch, int], list[Tensor]]
    ours: Maker
    plain: Maker | None
    moved: Callable[[Batch, int], tuple[float, float]]
    peers: dict[str, Maker] = field(default_factory=dict)
    products: Callable[[Batch, int], list[tuple[int, int, int]]] = lambda batch, width: []
    compiles: bool = True
    exact: bool = True
    tolerance: float = 1e-4
    apart: float = 1e-3


def contests(op: Op, shapes: list[Shape]) -> Iterator[Row]:
    """Two rows for each shape and width; none where the command line chose other ops."""
    if SETTINGS.ops and op.name not in SETTINGS.ops:
        return
    for shape in shapes:
        for width in shape.widths:
            if 4 * op.moved(shape.batch, width)[0] < MOST:
                yield from contest(op, shape, width)


def contest(op: Op, shape: Shape, width: int) -> Iterator[Row]:
    torch.manual_seed(0)
    inputs = [value.to(SETTINGS.device) for value in op.inputs(shape.batch, width)]
    makers = {"ours": op.ours, **({"plain torch": op.plain} if op.plain else {}), **op.peers}
    functions = {name: make(shape.batch) for name, make in makers.items()}
    if op.plain and op.compiles and shape.small and not SETTINGS.quick:
        torch._dynamo.reset()
        functions["torch.compile"] = torch.compile(functions["plain torch"], dynamic=False)
    forward, backward = op.moved(shape.batch, width)
    products = product_floor(op.products(shape.batch, width))
    passes = {
        "forward": (without_gradients, forward, products),
        "forward + backward": (gradients, forward + backward, 3 * products),
    }
    for kind, (prepare, numbers, multiplying) in passes.items():
        calls = {who: prepare(function, inputs) for who, function in functions.items()}
        if op.exact:
            check_agreement({who: call() for who, call in calls.items()}, op.tolerance, op.apart)
        times = race(calls)
        floors = {"memory": copy_floor(4 * numbers)} | ({"products": multiplying} if multiplying else {})
        yield Row(op.name, f"{shape.name} × {width}", kind, "ms", times.pop("ours"), times, floors)


def without_gradients(function: Function, inputs: list[Tensor]) -> Callable[[], Tensor | tuple[Tensor, ...]]:
    return partial(torch.no_grad()(function), *inputs)
