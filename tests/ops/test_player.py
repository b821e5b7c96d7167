"""Code played in one call of C++ is what its kernels do one by one, called from Python."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from gnnlab import ops
from gnnlab.ops import backend
from gnnlab.ops.random import fresh_seed, fresh_seeds
from gnnlab.ops.recorded.draft import Code, Line
from gnnlab.ops.recorded.one_node import one_node
from gnnlab.ops.recorded.player import Groups, Player, encoded, in_one_call, one_by_one, player
from gnnlab.ops.recorded.replay import PLACE
from tests.ops.layers import DIM, LAYERS, batch, learnt, states, step

pytestmark = pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")

# v0 = dropout(relu(x W + b)), v2 = v0 + x, v3 = v2 + v0
LINES = (
    Line("fresh_seed", (), ("seed",)),
    Line("linear", ("x", "w", None, True, 0.5, "seed"), ("v0",)),
    Line("linear_backward", ("v0", "x", "w", None, 0.0, True), ("t0", "t1", "t2")),
    Line("add", ("v0", "x"), ("v2",)),
    Line("add", ("v2", "v0"), ("v3",)),
)
CODE = Code((("x", "w"),), LINES, (("v3", None), ("x", "seed", "v0", "t1")))


def given() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, DIM, generator=generator), torch.randn(DIM, DIM, generator=generator)


def test_lines_as_text() -> None:
    assert str(CODE).splitlines()[1:3] == [
        "v0 = linear(x, w, None, True, 0.5, seed)",
        "t0, t1, t2 = linear_backward(v0, x, w, None, 0.0, True)",
    ]


@pytest.mark.parametrize("play", [in_one_call, one_by_one])
def test_code_by_hand(play: Callable[[Code], Player]) -> None:
    torch.manual_seed(0)
    x, w = given()
    (v3, none), (same, seed, v0, t1) = play(CODE)(batch(), {}, (x, w))
    random = torch.get_rng_state()
    torch.manual_seed(0)
    expected = ops.linear(x, w, None, True, 0.5)
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(v0, expected)
    assert torch.equal(v3, expected + x + expected)
    assert torch.equal(t1, torch.ops.gnnlab.linear_backward(expected, x, w, None, 0.0, True)[1])
    assert none is None
    assert same is x
    assert seed.shape == (1,)


def test_words() -> None:
    """A sum is new where both summands come from outside or are still needed, else in the place of the first."""
    add, add_ = map(torch.ops.gnnlab.instruction, ("add", "add_"))
    lines = [
        Line("add", names, (made,)) for names, made in ((("a", "b"), "v0"), (("v0", "a"), "v1"), (("v1", "v1"), "v2"))
    ]
    assert encoded(lines, ["a", "b"], ["v2"]) == [4, 1, 3, add, 1, 2, 3, 1, 2, add_, 3, 1, 1, 1, add_, 3, 3, 0]
    kept = encoded(lines[:2], ["a", "b"], ["v0", "v1"])
    assert kept == [5, 2, 3, 4, add, 1, 2, 3, 1, 2, add, 3, 1, 4, 1, 1]


def test_what_has_no_number_is_no_instruction() -> None:
    assert torch.ops.gnnlab.instruction("nonsense") == -1
    assert torch.ops.gnnlab.instruction("adamw_") == -1
    with pytest.raises(ValueError, match="clip_ is no instruction"):
        in_one_call(Code((("x",),), (Line("clip_", ("x", 1.0), ("v0",)),), (("v0",),)))


def test_an_error_of_a_kernel_is_the_programs() -> None:
    x, w = given()
    with pytest.raises(RuntimeError, match=r"linear: expected x \[N, in\]"):
        in_one_call(CODE)(batch(), {}, (x, w[:, 1:]))


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_seeds_at_once_are_those_one_by_one(count: int) -> None:
    torch.manual_seed(3)
    one_by_one = [fresh_seed(torch.device("cpu")) for _ in range(count)]
    after = torch.get_rng_state()
    torch.manual_seed(3)
    at_once = fresh_seeds(count)
    assert torch.equal(after, torch.get_rng_state())
    assert [int(seed) for seed in at_once] == [int(seed) for seed in one_by_one]
    assert all(seed.shape == (1,) for seed in at_once)


def results(play: Player, *given: object) -> Groups:
    torch.manual_seed(0)
    return play(*given)


def flat(groups: Groups) -> Iterator[torch.Tensor | None]:
    for group in groups:
        yield from (None if tensor is None else tensor.clone() for tensor in group)


def same(left: Groups, right: Groups) -> None:
    for a, b in zip(flat(left), flat(right), strict=True):
        assert (a is None and b is None) or (a is not None and b is not None and torch.equal(a, b))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_one_call_and_one_by_one(name: str) -> None:
    """Forward and backward of recorded layers, to the bit."""
    layer, graphs = learnt(LAYERS[name]()), batch(8, 3, 11)
    known = vars(layer)[PLACE]
    (program,) = known.programs.values()
    x, e = (tensor.detach() for tensor in states(graphs))
    parameters = [parameter.detach() for parameter in known.parameters]
    forward = graphs, program.makers, (x, e, None, *parameters), known.buffers
    with torch.no_grad():
        left, right = (results(play(program.codes[0]), *forward) for play in (in_one_call, one_by_one))
        same(left, right)
        grads = tuple(None if state is None else state.cos() for state in left[0])
        backward = graphs, program.makers, left[1], grads
        same(*(results(play(program.codes[1]), *backward) for play in (in_one_call, one_by_one)))


def test_who_watches_kernels_sees_each() -> None:
    layer = learnt(LAYERS["gps"]())
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        step(layer, one_node, batch())
    names = {event.key for event in seen.key_averages()}
    assert {"gnnlab::attention", "gnnlab::attention_backward", "gnnlab::norm"} <= names
    assert "gnnlab::play" not in names


class Names(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.seen.add(func.name())
        return func(*args, **(kwargs or {}))


def test_dispatch_modes_see_each_kernel() -> None:
    layer = learnt(LAYERS["gps"]())
    with Names() as names:
        step(layer, one_node, batch())
    assert {"gnnlab::attention", "gnnlab::attention_backward", "gnnlab::norm"} <= names.seen
    assert "gnnlab::play" not in names.seen


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("threads", [1, 2])
def test_sums(dtype: torch.dtype, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        a, b = torch.randn(1000, 70).to(dtype), torch.randn(70, 1000).to(dtype).T
        expected = a + b
        assert torch.equal(torch.ops.gnnlab.add(a, b), expected)
        torch.ops.gnnlab.add_(a, b)
        assert torch.equal(a, expected)
    finally:
        torch.set_num_threads(before)
    with pytest.raises(RuntimeError, match="one shape and type"):
        torch.ops.gnnlab.add(a, a.T)


def test_a_default_device_and_modes_change_nothing() -> None:
    layer, graphs = learnt(LAYERS["gps"]()), batch()
    given_states = states(graphs)
    with torch.device("meta"):
        one_node(layer, *given_states, graphs)[0].sum().backward()
    code = Code(CODE.given, LINES[:2], (("v0",),))
    with FakeTensorMode(allow_non_fake_inputs=True):
        player(code)
    player(code)(graphs, {}, given())


def test_a_player_is_made_once() -> None:
    assert player(CODE) is player(Code(CODE.given, LINES, CODE.results))
