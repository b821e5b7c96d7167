"""Categorical features to rows of a table."""

import pytest
import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.ops import backend
from gnnlab.ops.embed import embed, reference
from tests.ops.parity import Case, check_everything

SIZES = (3, 1, 5)
FIRST = torch.tensor([0, 3, 4])


def tables(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [torch.randn(sum(SIZES), width, dtype=dtype)]


def values(batch: Batch, columns: int) -> Tensor:
    place = torch.arange(batch.num_nodes, device=batch.batch.device)
    return torch.stack([(7 * place * place + batch.batch) % size for size in SIZES[:columns]], 1).to(batch.batch.dtype)


def case(columns: int) -> Case:
    first = FIRST[:columns]
    return Case(
        f"{columns} columns",
        lambda table, batch: embed(values(batch, columns), table, first.to(table.device)),
        lambda table, batch: reference(values(batch, columns), table, first.to(table.device)),
        tables,
        kernel="embed",
    )


@pytest.mark.parametrize("case", [case(1), case(3)], ids=str)
def test_everything(case: Case) -> None:
    check_everything(case)


def test_is_torchs_embedding() -> None:
    table = nn.Embedding(4, 8)
    value = torch.tensor([[3], [0], [3]])
    assert torch.equal(embed(value, table.weight, torch.zeros(1, dtype=torch.long)), table(value[:, 0]))


@pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")
@pytest.mark.parametrize(("value", "column"), [(-1, 0), (3, 0), (1, 1), (-1, 2), (5, 2)])
def test_a_value_that_is_none_of_its_columns_is_named(value: int, column: int) -> None:
    values = torch.zeros(2, 3, dtype=torch.long)
    values[1, column] = value
    with pytest.raises(RuntimeError, match=f"value {value} of column {column} is not among its {SIZES[column]}"):
        embed(values, torch.zeros(9, 2), FIRST)


def test_unsigned_values() -> None:
    value = torch.tensor([[1, 0, 4]], dtype=torch.uint8)
    table = torch.randn(9, 2)
    assert torch.equal(embed(value, table, FIRST), embed(value.long(), table, FIRST))


@pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")
def test_no_row_before_the_table() -> None:
    with pytest.raises(RuntimeError, match="begins at row -3"):
        embed(torch.zeros(1, 1, dtype=torch.long), torch.zeros(9, 2), torch.tensor([-3]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_threads_share_the_features_of_many_rows(dtype: torch.dtype) -> None:
    value = torch.stack([torch.arange(3000) % size for size in SIZES], 1)
    table, grad = torch.randn(sum(SIZES), 70).to(dtype).requires_grad_(), torch.randn(3000, 70).to(dtype)
    before, left = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            out = embed(value, table, FIRST)
            left.append((out, *torch.autograd.grad(out, table, grad)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*left, strict=True))
    wide = table.double().detach().requires_grad_()
    (exact,) = torch.autograd.grad(reference(value, wide, FIRST), wide, grad.double())
    torch.testing.assert_close(left[0][1].double(), exact, rtol=1e-2 if dtype == torch.bfloat16 else 1e-4, atol=1e-3)
