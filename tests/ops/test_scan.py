"""The selective scan."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.ops import selective_scan
from gnnlab.ops.linear import Linear
from gnnlab.ops.recorded.one_node import one_node
from gnnlab.ops.scan import reference as plain_torch
from gnnlab.packed import Packed
from gnnlab.testing import random_graph
from tests.ops.parity import Case, check_everything, needs_kernels

PTR = torch.tensor([0, 1, 1, 41, 200, 203])


def inputs(rows: int, width: int, states: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """u, delta, A, B, C, D of rows that remember up to hundreds of those before."""
    delta = softplus(torch.randn(rows, width, dtype=torch.float64) - 2)
    values = [torch.randn(rows, width), delta, -0.1 - 3 * torch.rand(width, states)]
    values += [torch.randn(rows, states), torch.randn(rows, states), torch.randn(width)]
    return [value.to(dtype) for value in values]


def case(name: str, states: int, skip: bool = True, reverse: bool = False) -> Case:
    def of_batch(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
        *values, D = inputs(batch.num_nodes, width, states, dtype)
        return [*values, D if skip else None]

    def run(scan: Callable, *values: Tensor | Batch) -> Tensor:
        *tensors, D, batch = values
        return scan(*tensors, batch.ptr, D, reverse)

    return Case(name, partial(run, selective_scan), partial(run, plain_torch), of_batch, kernel="selective_scan")


@pytest.mark.parametrize(
    "case",
    [
        case("selective scan", 16),
        pytest.param(case("selective scan, reversed, without D", 16, False, True), marks=pytest.mark.slow),
        pytest.param(case("selective scan, 3 states", 3), marks=pytest.mark.slow),
        case("selective scan, 20 states, reversed", 20, reverse=True),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)


@pytest.fixture
def _kernels() -> None:
    needs_kernels()
    torch.manual_seed(0)


def leaves(values: list[Tensor]) -> list[Tensor]:
    return [value.clone().requires_grad_() for value in values]


@pytest.mark.usefixtures("_kernels")
def test_a_sequence_does_not_see_the_others() -> None:
    u, delta, A, B, C, D = inputs(203, 20, 16)
    together = selective_scan(u, delta, A, B, C, PTR, D)
    for first, last in pairwise(PTR):
        own = [value[first:last] for value in (u, delta, B, C)]
        alone = selective_scan(*own[:2], A, *own[2:], torch.tensor([0, last - first]), D)
        assert torch.equal(together[first:last], alone)


@pytest.mark.usefixtures("_kernels")
def test_a_reversed_scan_is_the_scan_of_reversed_sequences() -> None:
    u, delta, A, B, C, D = inputs(203, 20, 16)
    row = torch.arange(203)
    graph = torch.searchsorted(PTR, row, right=True) - 1
    mirror = PTR[graph] + PTR[graph + 1] - 1 - row
    flipped = selective_scan(u[mirror], delta[mirror], A, B[mirror], C[mirror], PTR, D)[mirror]
    assert torch.equal(selective_scan(u, delta, A, B, C, PTR, D, reverse=True), flipped)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize("rate", [-1e6, -1e38, -torch.inf])
def test_what_is_forgotten_at_once_leaves_a_map_of_each_row(rate: float) -> None:
    u, delta, A, B, C, D = inputs(203, 20, 16)
    y = selective_scan(u, delta, torch.full_like(A, rate), B, C, PTR, D)
    assert_close(y, delta * u * (B * C).sum(1, keepdim=True) + D * u)


@pytest.mark.usefixtures("_kernels")
def test_where_no_time_passes_the_state_stays_as_it_was() -> None:
    """Δ = 0 after a first row: y = C h_0 + D ⊙ u all along."""
    u, delta, A, B, C, D = inputs(50, 20, 16)
    delta[1:] = 0
    state = (delta[0] * u[0])[:, None] * B[0]
    assert_close(selective_scan(u, delta, A, B, C, torch.tensor([0, 50]), D), C @ state.T + D * u, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("_kernels")
def test_without_decay_it_is_a_running_sum() -> None:
    u, one = torch.randn(203, 20), torch.ones(203, 1)
    y = selective_scan(u, torch.ones_like(u), torch.zeros(20, 1), one, one, PTR)
    expected = torch.cat([part.cumsum(0) for part in u.split(PTR.diff().tolist())])
    assert_close(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("_kernels")
def test_constant_parameters_are_a_convolution() -> None:
    u, delta, A, B, C, _ = inputs(150, 20, 16, torch.float64)
    delta, B, C = (value[:1].expand_as(value) for value in (delta, B, C))
    time = torch.arange(150)
    response = torch.einsum("s,tds,ds->td", C[0], torch.exp(time[:, None, None] * delta[0, :, None] * A), B[:1] + 0 * A)
    lag = time[:, None] - time
    expected = torch.einsum("tkd,kd->td", response[lag.clamp(min=0)] * (lag >= 0)[..., None], delta * u)
    assert_close(selective_scan(u, delta, A, B, C, torch.tensor([0, 150])), expected)


@pytest.mark.usefixtures("_kernels")
@pytest.mark.parametrize(("sequences", "length"), [(1, 700), (70, 3), (3, 16), (2, 17)])
def test_many_sequences_and_long_ones(sequences: int, length: int) -> None:
    """Parts of several sequences, groups of several registers of channels, chunks that just fit."""
    values, ptr = inputs(sequences * length, 100, 16), torch.arange(sequences + 1) * length
    ours, exact = leaves(values), leaves([value.double() for value in values])
    gradient = torch.randn(sequences * length, 100)
    y, expected = (
        scan(*tensors[:5], ptr, tensors[5]) for scan, tensors in ((selective_scan, ours), (plain_torch, exact))
    )
    gradients = torch.autograd.grad(y, ours, gradient), torch.autograd.grad(expected, exact, gradient.double())
    for a, b in zip((y, *gradients[0]), (expected, *gradients[1]), strict=True):
        assert_close(a.double(), b, rtol=1e-4, atol=1e-5 * float(b.detach().abs().max()))


@pytest.mark.usefixtures("_kernels")
def test_the_states_are_not_kept() -> None:
    values, kept = leaves(inputs(1600, 32, 16)), []

    def keep(value: Tensor) -> Tensor:
        kept.append(value.numel())
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        selective_scan(*values[:5], torch.tensor([0, 1600]), values[5])
    assert 0 < max(kept) <= 1600 * 32 * 16 / 16
    with torch.no_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        kept.clear()
        selective_scan(*values[:5], torch.tensor([0, 1600]), values[5])
    assert not kept


@pytest.mark.usefixtures("_kernels")
def test_steps_in_float32_are_not_rounded_to_the_type_of_the_values() -> None:
    u, delta, A, B, C, D = inputs(203, 20, 16)
    u = u.bfloat16().requires_grad_()
    delta.requires_grad_()
    y = selective_scan(u, delta, A, B, C, PTR, D)
    assert torch.equal(y, selective_scan(u.float(), delta, A, B, C, PTR, D).bfloat16())
    assert (y.dtype, plain_torch(u, delta, A, B, C, PTR, D).dtype) == (torch.bfloat16, torch.bfloat16)
    y.float().sum().backward()
    assert u.grad is not None
    assert delta.grad is not None
    assert (u.grad.dtype, delta.grad.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.usefixtures("_kernels")
def test_shapes_that_do_not_fit_are_refused() -> None:
    u, delta, A, B, C, D = inputs(203, 20, 16)
    for values, message in (
        ((u, delta[:5], A, B, C, PTR, D), "delta must have the shape of u"),
        ((u, delta, A[:5], B, C, PTR, D), "A must be"),
        ((u, delta, A, B[:5], C, PTR, D), "B and C must be"),
        ((u, delta, A, B, C, PTR, D[:5]), "D must be"),
        ((u, delta, A, B, C, PTR[:-1], D), "ptr must go from 0 to N"),
    ):
        with pytest.raises(RuntimeError, match=message):
            selective_scan(*values)


@pytest.mark.usefixtures("_kernels")
def test_nan_in_a_is_not_hidden() -> None:
    u, delta, A, B, C, _ = inputs(203, 5, 3)
    A[2, 1] = torch.nan
    A[3, 1] = -torch.inf
    out = selective_scan(u, delta, A, B, C, PTR)
    assert out[:, 2].isnan()[41:].all()
    assert out[:, [0, 1, 3, 4]].isfinite().all()


class Scanning(nn.Module):
    """Linear maps and a scan: a layer that can be recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(Linear(16, 16) for _ in range(4))
        self.A, self.D = nn.Parameter(-torch.rand(16, 16)), nn.Parameter(torch.randn(16))

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        u, delta, B, C = (of(x) for of in self.maps)
        return selective_scan(u, delta, self.A, B, C, batch.ptr, self.D), e


def test_a_recorded_layer_may_scan() -> None:
    needs_kernels()
    graphs, layer = Packed.from_graphs([random_graph(n, 9, torch.Generator()) for n in (5, 9)]).batch(), Scanning()
    x, e = torch.randn(14, 16), torch.randn(graphs.num_edges, 16)
    grads = []
    for run in (one_node, one_node, one_node, lambda layer, *given: layer(*given)):
        layer.zero_grad()
        run(layer, x.requires_grad_(), e, graphs)[0].square().sum().backward()
        grads.append([parameter.grad for parameter in layer.parameters()])
    for found in grads[:-1]:
        assert_close(found, grads[-1])
