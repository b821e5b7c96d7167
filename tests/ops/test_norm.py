"""The batch norm of a residual block."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.ops import Around, backend
from gnnlab.ops import norm as ours
from gnnlab.ops.norm import reference as plain_torch
from gnnlab.ops.random import fresh_seed
from tests.ops.parity import DEVICE, Case, Recorder, check_everything, needs_kernels


def inputs(batch: Batch, width: int, dtype: torch.dtype, residuals: bool) -> list[Tensor | None]:
    rows = torch.randn(3, max(batch.num_nodes, 8), width, dtype=dtype).unbind(0)
    parameters = torch.rand(2, width, dtype=dtype).add(0.5).unbind(0)
    return [rows[0], *parameters, rows[1] if residuals else None, rows[2] if residuals else None]


def statistics(given: bool, h: Tensor) -> tuple[Tensor, Tensor] | None:
    return (torch.full(h.shape[1:], 0.25).to(h), torch.full(h.shape[1:], 2.0).to(h)) if given else None


def fused(
    h: Tensor, weight: Tensor, bias: Tensor, before: Tensor | None, after: Tensor | None, batch: Batch, **settings
) -> Tensor:
    given, rows = settings["given"], settings["rows"]
    return ours(h, weight, bias, statistics(given, h), 1e-5, before, after, settings["around"], rows)[0]


def reference(
    h: Tensor, weight: Tensor, bias: Tensor, before: Tensor | None, after: Tensor | None, batch: Batch, **settings
) -> Tensor:
    around = settings["around"]
    seed = fresh_seed(h.device) if around.first or around.last else None
    given = statistics(settings["given"], h) or (None, None)
    return plain_torch(h, weight, bias, *given, 1e-5, before, after, around, seed, settings["rows"])[0]


def case(name: str, around: Around, residuals: bool = True, given: bool = False, rows: Tensor | None = None) -> Case:
    settings = {"around": around, "given": given, "rows": rows}
    return Case(
        name,
        partial(fused, **settings),
        partial(reference, **settings),
        partial(inputs, residuals=residuals),
        kernel="norm",
    )


@pytest.mark.parametrize(
    "case",
    [
        case("norm", Around(), residuals=False),
        case("norm, residuals", Around(first=0.3)),
        case("norm, ReLU, dropout", Around(relu=True, last=0.4)),
        case("norm, ReLU, dropout after the sum", Around(relu=True, last=0.4, whole=True)),
        case("norm, both dropouts", Around(relu=True, first=0.2, last=0.4)),
        case("norm, statistics given", Around(relu=True), given=True),
        case("norm, padded rows", Around(relu=True), rows=torch.tensor([6], device=DEVICE)),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_is_torchs_batch_norm(shift: float) -> None:
    h = torch.randn(300, 20) + shift
    norm = nn.BatchNorm1d(20)
    y, mean, var = ours(h, norm.weight, norm.bias)
    assert_close(y, norm(h), rtol=1e-4, atol=1e-3 if shift else 1e-5)
    assert_close(mean, h.mean(0))
    assert_close(var, h.var(0, unbiased=False), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1001, 1500])
def test_plain_torch_measures_bfloat16_in_float32(n: int) -> None:
    h = torch.randn(1500, 20).add(3).bfloat16()
    rows = None if n == len(h) else torch.tensor([n])
    with backend.using("reference"):
        y, mean, var = ours(h, torch.ones(20), torch.zeros(20), rows=rows)
    assert y.dtype == h.dtype
    assert_close(mean, h[:n].float().mean(0))
    assert_close(var, h[:n].float().var(0, unbiased=False), rtol=1e-4, atol=1e-5)


def test_all_rows_real_is_no_padding() -> None:
    h, weight, bias = torch.randn(50, 20), torch.rand(20), torch.rand(20)
    with backend.using("reference"):
        assert_close(ours(h, weight, bias), ours(h, weight, bias, rows=torch.tensor([50])))


def test_without_a_kernel_of_its_own_it_takes_few_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a launch on a GPU, where plain torch serves."""
    needs_kernels()
    monkeypatch.setattr(backend, "serves", lambda op, device: op == "keep")
    h, calls = torch.randn(50, 20), []
    with Recorder(None, calls):
        ours(h, torch.rand(20), torch.rand(20), before=h, after=h, around=Around(True, first=0.2, last=0.3))
    assert len(calls) < 40
