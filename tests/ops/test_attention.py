"""Softmax attention over the nodes of each graph."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.ops import attention as ours
from gnnlab.ops import backend
from gnnlab.ops.attention import pair_ptr
from gnnlab.ops.attention import reference as plain_torch
from gnnlab.ops.random import fresh_seed
from tests.ops.parity import DEVICE, Case, batch_of, check_everything, needs_kernels

HEADS = 3


def plain(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [torch.randn(batch.num_nodes, 3 * HEADS * width, dtype=dtype), None]


def biased(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [plain(batch, width, dtype)[0], torch.randn(int(pair_ptr(batch)[-1]), HEADS, dtype=dtype)]


def case(name: str, dropout: float, inputs: Callable[..., list[Tensor | None]], widths: tuple[int, ...]) -> Case:
    def fused(qkv: Tensor, bias: Tensor | None, batch: Batch) -> Tensor:
        return ours(qkv, batch, HEADS, dropout, bias)

    def reference(qkv: Tensor, bias: Tensor | None, batch: Batch) -> Tensor:
        return plain_torch(qkv, batch, HEADS, dropout, bias, fresh_seed(qkv.device) if dropout else None)

    return Case(name, fused, reference, inputs, widths, kernel="attention")


@pytest.mark.parametrize(
    "case",
    [
        case("attention", 0.0, plain, (1, 7, 16, 17, 32, 64)),
        pytest.param(case("attention, bias", 0.0, biased, (3,)), marks=pytest.mark.slow),
        pytest.param(case("attention, dropout", 0.4, plain, (16,)), marks=pytest.mark.slow),
        case("attention, dropout and bias", 0.4, biased, (8,)),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)


def test_equal_scores_give_the_mean_and_one_node_its_own_value() -> None:
    needs_kernels()
    batch = batch_of(1, 37, 150)
    qkv = torch.cat([torch.zeros(batch.num_nodes, 16), torch.randn(batch.num_nodes, 8)], 1).to(DEVICE)
    out = ours(qkv, batch, num_heads=2)
    for first, last in zip(batch.ptr, batch.ptr[1:], strict=False):
        assert_close(out[first:last], qkv[first:last, 16:].mean(0).expand(int(last - first), -1))


def test_a_bias_of_minus_infinity_hides_a_key() -> None:
    needs_kernels()
    batch, shorter = batch_of(9), batch_of(8)
    qkv = torch.randn(9, 3 * 2 * 4, device=DEVICE)
    bias = torch.zeros(9, 9, 2, device=DEVICE)
    bias[:, 8] = -torch.inf
    out = ours(qkv, batch, 2, bias=bias.flatten(0, 1).requires_grad_())
    assert_close(out[:8], ours(qkv[:8], shorter, 2))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_bias_of_another_precision_takes_that_of_the_heads(dropout: float) -> None:
    batch = batch_of(6, 3)
    qkv, bias = torch.randn(9, 3 * 2 * 4, device=DEVICE), torch.randn(36 + 9, 2, device=DEVICE)
    calls: list[tuple[backend.Mode, Tensor]] = [
        ("auto", bias.double()),
        ("reference", bias.double()),
        ("reference", bias),
    ]
    outputs = []
    for mode, given in calls:
        torch.manual_seed(0)
        with backend.using(mode):
            outputs.append(ours(qkv, batch, 2, dropout, given))
    assert outputs[0].dtype == outputs[1].dtype == torch.float32
    assert torch.equal(outputs[1], outputs[2])
    assert_close(outputs[0], outputs[1])


def test_dropout_keeps_the_mean_and_drops_each_weight_by_itself() -> None:
    needs_kernels()
    batch = batch_of(300)
    qkv = torch.cat([torch.zeros(300, 2 * 4 * 300), torch.eye(300).repeat(1, 4)], 1).to(DEVICE)
    weights = ours(qkv, batch, num_heads=4, dropout=0.25).view(300, 4, 300) * 300
    kept = weights > 0
    assert_close(weights[kept], torch.full_like(weights[kept], 4 / 3))
    assert abs(kept.float().mean() - 0.75) < 5 * (0.25 * 0.75 / kept.numel()) ** 0.5
    noise = kept.float().sub(0.75) / (0.25 * 0.75) ** 0.5
    for other in (noise.roll(1, 0), noise.roll(1, 1), noise.roll(1, 2), noise.roll(32, 0), noise.transpose(0, 2)):
        assert abs((noise * other).mean()) < 5 / noise.numel() ** 0.5


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("mode", ["fused", "reference"])
def test_a_query_that_sees_no_key_gives_zeros(mode: backend.Mode, dropout: float) -> None:
    batch = batch_of(40, 6)
    qkv = torch.randn(46, 3 * 2 * 4, device=DEVICE, requires_grad=True)
    bias = torch.zeros(40 * 40 + 36, 2, device=DEVICE)
    bias[40:80] = -torch.inf
    bias.requires_grad_()
    with backend.using(mode):
        out = ours(qkv, batch, 2, dropout, bias)
    grads = torch.autograd.grad(out.sum(), (qkv, bias))
    assert not out[1].any()
    assert out[0].all()
    assert all(grad.isfinite().all() for grad in grads)
    assert not grads[1][40:80].any()
