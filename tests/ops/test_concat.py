"""Rows side by side."""

import pytest
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import backend
from gnnlab.ops.concat import concat, reference
from tests.ops.parity import Case, check_everything


def parts(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [torch.randn(batch.num_nodes, columns, dtype=dtype) for columns in (width, 1, 2 * width)]


def test_everything() -> None:
    case = Case(
        "three parts",
        lambda a, b, c, batch: concat([a, b, c]),
        lambda a, b, c, batch: reference([a, b, c]),
        parts,
        kernel="concat",
    )
    check_everything(case)


def test_one_part_is_itself() -> None:
    x = torch.randn(3, 2)
    assert torch.equal(concat([x]), x)


def test_a_part_without_columns() -> None:
    x, none = torch.randn(3, 2, requires_grad=True), torch.randn(3, 0, requires_grad=True)
    out = concat([none, x, none])
    assert torch.equal(out, x)
    assert [grad.shape for grad in torch.autograd.grad(out.sum(), [x, none])] == [(3, 2), (3, 0)]


def test_parts_of_several_types_become_one_as_in_torch() -> None:
    a, b = torch.randn(3, 2), torch.randn(3, 2).double()
    assert torch.equal(concat([a, b]), torch.cat([a, b], -1))


@pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")
def test_rows_that_are_missing() -> None:
    with pytest.raises(RuntimeError, match="as many rows"):
        concat([torch.zeros(2, 1), torch.zeros(3, 1)])
