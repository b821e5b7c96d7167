"""What is promised of every fused op: the same as its reference, forward and backward, on every kind of graph.

An op's test file lists cases: an op, its reference, and a function that makes its inputs for a batch, a width and a
dtype. `check_everything(case)` holds them together; the rest of an op's file states what only that op promises.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor
from torch.testing import assert_close
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.ops import backend
from gnnlab.packed import Packed
from gnnlab.testing import graphs_of_all_kinds, random_graph

TOLERANCE = {torch.float32: (1e-4, 1e-5), torch.float64: (1e-10, 1e-12), torch.bfloat16: (4e-2, 4e-2)}
"""rtol, atol against the reference in float64, relative to the largest entry."""

DEVICE = os.environ.get("GNNLAB_TEST_DEVICE", "cpu")
"""Where batches and inputs lie."""


@dataclass(frozen=True)
class Case:
    """`fused(*inputs, batch)` and `reference(*inputs, batch)` for `inputs(batch, width, dtype)`; None is absent."""

    name: str
    fused: Callable[..., Tensor | tuple[Tensor, ...]]
    reference: Callable[..., Tensor | tuple[Tensor, ...]]
    inputs: Callable[[Batch, int, torch.dtype], list[Tensor | None]]
    widths: tuple[int, ...] = (1, 7, 16, 64, 70)
    kernel: str | None = None
    """The op of torch.ops.gnnlab that serves it: opcheck is run on the calls that reach it."""

    def __str__(self) -> str:
        return self.name


def inputs_of(case: Case, batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    """The case's inputs, on the device of the tests."""
    return [None if value is None else value.to(DEVICE) for value in case.inputs(batch, width, dtype)]


def batch_of(*nodes: int) -> Batch:
    """Random graphs with these numbers of nodes, on the device of the tests."""
    return Packed.from_graphs([graph(n) for n in nodes]).batch().to(DEVICE)


def graph(nodes: int) -> Data:
    """A random graph of three edges a node."""
    return random_graph(nodes, 3 * nodes if nodes > 1 else 0, torch.Generator().manual_seed(nodes))


def batches() -> dict[str, Batch]:
    """Every kind of graph: no nodes, one node, no edges, isolated nodes, multi-edges and loops."""
    torch.manual_seed(0)
    tangled = Data(edge_index=torch.tensor([[0, 1, 1, 2, 2, 4], [1, 1, 2, 2, 2, 0]]), num_nodes=5)
    tangled.update({"x": torch.zeros(5, 1, dtype=torch.long), "y": torch.zeros(1, 1)})
    tangled.edge_attr = torch.zeros(6, 1, dtype=torch.long)
    nothing = random_graph(0, 0, torch.Generator())
    everything = Packed.from_graphs([*graphs_of_all_kinds(), nothing, tangled])
    return {
        "all kinds": everything.batch().to(DEVICE),
        "no graph": everything.take(torch.empty(0, dtype=torch.long)).batch().to(DEVICE),
        "larger": batch_of(40, 1, 25, 60),
    }


def with_index(batch: Batch, dtype: torch.dtype) -> Batch:
    """The batch with its indices in another type."""
    names = ("edge_index", "ptr", "batch", "rowptr", "colptr", "transpose", "out_target")
    return replace(batch, **{name: getattr(batch, name).to(dtype) for name in names})


@contextmanager
def poisoned() -> Iterator[None]:
    """Memory that nobody has written to yet is NaN."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def run(op: Callable, inputs: list[Tensor | None], batch: Batch) -> tuple[list[Tensor], list[Tensor | None]]:
    """Outputs, and the gradients of a fixed random combination of them."""
    leaves = [value.detach().requires_grad_() if value is not None else None for value in inputs]
    torch.manual_seed(7)
    outputs = op(*leaves, batch)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    generator = torch.Generator().manual_seed(1)
    seeds = [torch.randn(out.shape, generator=generator).bfloat16().to(out) for out in outputs]  # exact in every dtype
    wanted = [leaf for leaf in leaves if leaf is not None]
    gradients = iter(torch.autograd.grad(outputs, wanted, seeds, allow_unused=True))
    return outputs, [next(gradients) if leaf is not None else None for leaf in leaves]


def assert_near(ours: Tensor | None, exact: Tensor | None, dtype: torch.dtype, what: str) -> None:
    if ours is None or exact is None:
        nothing = ours if ours is not None else exact
        assert nothing is None or not nothing.any(), f"{what}: one of the two has no gradient"
        return
    rtol, atol = TOLERANCE[dtype]
    scale = max(1.0, float(exact.detach().abs().max())) if exact.numel() else 1.0
    assert_close(ours.double(), exact.double(), rtol=rtol, atol=atol * scale, msg=lambda text: f"{what}: {text}")


def check_parity(case: Case) -> None:
    """Every dtype, index type, width and kind of graph, with poisoned memory; the reference computes in float64."""
    kinds = batches().items()
    for (kind, batch), width, dtype in product(kinds, case.widths, TOLERANCE):
        torch.manual_seed(2)
        inputs = inputs_of(case, batch, width, dtype)
        wide = [value.double() if value is not None else None for value in inputs]
        exact = run(case.reference, wide, batch)
        for index in (torch.int64, torch.int32):
            with poisoned():
                ours = run(case.fused, inputs, with_index(batch, index))
            what = f"{case}, {kind}, width {width}, {dtype}, {index}"
            for a, b in zip(ours[0] + ours[1], exact[0] + exact[1], strict=True):
                assert a is None or a.dtype == dtype, f"{what}: a result has dtype {a.dtype}"
                assert_near(a, b, dtype, what)


def check_layouts(case: Case) -> None:
    """Inputs that are not contiguous give what their contiguous copies give, to the bit."""
    batch, width = batches()["all kinds"], case.widths[-1]
    inputs = inputs_of(case, batch, width, torch.float32)
    strided = [None if value is None else torch.stack([value, value], -1)[..., 0] for value in inputs]
    assert_identical(run(case.fused, inputs, batch), run(case.fused, strided, batch), f"{case}, not contiguous")


def check_determinism(case: Case) -> None:
    """Two runs, and runs on one and on two threads, give the same bits."""
    batch, width = batches()["larger"], case.widths[-1]
    batch = batch_of(*[50] * 12) if width < 8 else batch
    inputs, before = inputs_of(case, batch, max(width, 64), torch.float32), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        once, again = run(case.fused, inputs, batch), run(case.fused, inputs, batch)
        torch.set_num_threads(2)
        two = run(case.fused, inputs, batch)
    finally:
        torch.set_num_threads(before)
    assert_identical(once, again, f"{case}, run twice")
    assert_identical(once, two, f"{case}, one thread and two")


def assert_identical(first: tuple, second: tuple, what: str) -> None:
    for a, b in zip(first[0] + first[1], second[0] + second[1], strict=True):
        assert (a is None and b is None) or torch.equal(a, b), f"{what}: the bits differ"


def check_gradients(case: Case) -> None:
    """`gradcheck` in float64."""
    torch.manual_seed(3)
    batch = batch_of(5, 1, 3)
    inputs = inputs_of(case, batch, 3 if 3 in case.widths else case.widths[0], torch.float64)
    leaves = [None if value is None else value.detach().requires_grad_() for value in inputs]

    def function(*values: Tensor | None) -> Tensor | tuple[Tensor, ...]:
        torch.manual_seed(7)
        return case.fused(*values, batch)

    assert torch.autograd.gradcheck(function, leaves)


def check_registration(case: Case) -> None:
    """`opcheck`: schema, fake tensors, autograd and tracing agree with what the kernel does."""
    assert case.kernel is not None
    batch = batches()["larger"]
    calls: list[tuple] = []
    overload = getattr(torch.ops.gnnlab, case.kernel).default
    leaves = [
        None if value is None else value.detach().requires_grad_()
        for value in inputs_of(case, batch, case.widths[-1], torch.float32)
    ]
    with Recorder(overload, calls):
        case.fused(*leaves, batch)
    assert calls, f"{case} never called gnnlab::{case.kernel}"
    arguments = [
        value.detach().requires_grad_() if isinstance(value, Tensor) and value.is_floating_point() else value
        for value in calls[0]
    ]
    torch.library.opcheck(overload, tuple(arguments))


class Recorder(torch.utils._python_dispatch.TorchDispatchMode):
    """Keeps the arguments of the calls of one op, or of all."""

    def __init__(self, overload: Callable | None, calls: list[tuple]) -> None:
        super().__init__()
        self.overload, self.calls = overload, calls

    def __torch_dispatch__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        if self.overload in (None, func):
            self.calls.append(args)
        return func(*args, **(kwargs or {}))


def check_compile(case: Case) -> None:
    """No graph break, and at most two graphs over several shapes; outputs as in eager code."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = torch.compile(case.fused, backend="aot_eager", fullgraph=True, dynamic=True)
    for n in (5, 9, 14, 20):
        batch = batch_of(n, n + 3)
        inputs = inputs_of(case, batch, case.widths[-1], torch.float32)
        for a, b in zip(run(compiled, inputs, batch)[0], run(case.fused, inputs, batch)[0], strict=True):
            assert_close(a, b)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 2


def needs_kernels() -> None:
    """Fail, not skip: where there is a compiler there must be kernels."""
    assert not (why := backend.why_not("gine", DEVICE)), f"no kernels on {DEVICE}: {why}"


def check_everything(case: Case) -> None:
    """All of the above."""
    needs_kernels()
    check_parity(case)
    check_layouts(case)
    check_determinism(case)
    check_gradients(case)
    if case.kernel is not None and not backend.why_not(case.kernel, DEVICE):
        check_registration(case)
    check_compile(case)
