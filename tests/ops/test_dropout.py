"""Dropout by a seed: the decisions of plain torch, forward and backward."""

import pytest
import torch

from gnnlab.ops.dropout import drop, dropout
from gnnlab.ops.random import fresh_seed
from tests.ops.parity import needs_kernels


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(0, 3), (1,), (7, 37), (3, 5, 64)])
def test_drops_what_plain_torch_drops(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    needs_kernels()
    x = torch.randn(shape, dtype=dtype).requires_grad_()
    given = torch.randn(shape, dtype=dtype)
    torch.manual_seed(3)
    ours = dropout(x, 0.4)
    torch.manual_seed(3)
    theirs = drop(x, 0.4, fresh_seed(x.device))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, x, given), torch.autograd.grad(theirs, x, given))


def test_gradients_of_gradients() -> None:
    needs_kernels()
    x = torch.randn(5, 9, dtype=torch.float64, requires_grad=True)

    def seeded(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return dropout(x, 0.3).square()

    assert torch.autograd.gradcheck(seeded, x)
    assert torch.autograd.gradgradcheck(seeded, x)


def test_nothing_in_evaluation_or_at_zero() -> None:
    x = torch.randn(4, 4)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x


def test_all_at_one() -> None:
    assert not dropout(torch.ones(4, 4), 1.0).any()


def test_what_is_not_finite_is_dropped_too() -> None:
    needs_kernels()
    x = torch.tensor([torch.inf, -torch.inf, torch.nan]).repeat(100)
    out = dropout(x, 0.5)
    kept = out != 0
    assert 0 < kept.sum() < 300
    assert torch.equal(out[kept].nan_to_num(7), x[kept].nan_to_num(7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_bits_are_those_of_plain_torch(dtype: torch.dtype) -> None:
    needs_kernels()
    x = torch.randn(7, 37).to(dtype)
    torch.manual_seed(3)
    ours = dropout(x, 0.1)
    torch.manual_seed(3)
    assert torch.equal(ours, drop(x, 0.1, fresh_seed(x.device)))
