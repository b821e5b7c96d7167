"""A linear map with ReLU and dropout."""

from functools import partial

import pytest
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import linear as ours
from gnnlab.ops.linear import reference as plain_torch
from gnnlab.ops.random import fresh_seed
from tests.ops.parity import Case, check_everything, needs_kernels


def inputs(batch: Batch, width: int, dtype: torch.dtype, out: int, bias: bool = True) -> list[Tensor | None]:
    return [
        torch.randn(batch.num_nodes, width, dtype=dtype),
        torch.randn(out, width, dtype=dtype) / width**0.5,
        torch.randn(out, dtype=dtype) if bias else None,
    ]


def fused(x: Tensor, weight: Tensor, bias: Tensor | None, batch: Batch, relu: bool, dropout: float) -> Tensor:
    return ours(x, weight, bias, relu, dropout)


def reference(x: Tensor, weight: Tensor, bias: Tensor | None, batch: Batch, relu: bool, dropout: float) -> Tensor:
    seed = fresh_seed(x.device) if dropout else None
    return plain_torch(x, weight, bias, relu, dropout, seed)


def case(name: str, relu: bool, dropout: float, out: int, bias: bool = True) -> Case:
    return Case(
        name,
        partial(fused, relu=relu, dropout=dropout),
        partial(reference, relu=relu, dropout=dropout),
        partial(inputs, out=out, bias=bias),
        kernel="linear",
    )


@pytest.mark.parametrize(
    "case",
    [
        case("linear", False, 0.0, 64),
        case("linear without bias", False, 0.0, 7, bias=False),
        case("linear, ReLU", True, 0.0, 90),
        case("linear, ReLU, dropout", True, 0.3, 33),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)


def test_autocast_is_heeded() -> None:
    needs_kernels()
    x, weight, bias = torch.randn(9, 5), torch.randn(4, 5, requires_grad=True), torch.randn(4)
    with torch.autocast("cpu", torch.bfloat16):
        out = ours(x, weight, bias, relu=True)
        assert out.dtype == torch.bfloat16
        assert torch.equal(out, plain_torch(x, weight, bias, True, 0.0, None))
    out.sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 4, 5), (2, 3, 0, 5)])
def test_rows_may_have_several_dimensions(shape: tuple[int, ...]) -> None:
    needs_kernels()
    x, weight, bias = torch.randn(shape, requires_grad=True), torch.randn(7, 5, requires_grad=True), torch.randn(7)
    out, expected = ours(x, weight, bias), torch.nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(out, expected)
    given = (x, weight)
    for grad, plain in zip(
        torch.autograd.grad(out.square().sum(), given), torch.autograd.grad(expected.square().sum(), given), strict=True
    ):
        torch.testing.assert_close(grad, plain, rtol=1e-4, atol=1e-5)
