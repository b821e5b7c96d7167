"""A perceptron with one hidden layer."""

from functools import partial

import pytest
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import mlp as ours
from gnnlab.ops.mlp import reference as plain_torch
from gnnlab.ops.random import fresh_seed
from tests.ops.parity import Case, check_everything


def inputs(batch: Batch, width: int, dtype: torch.dtype, hidden: int, out: int, bias: bool) -> list[Tensor | None]:
    return [
        torch.randn(batch.num_nodes, width, dtype=dtype),
        torch.randn(hidden, width, dtype=dtype) / width**0.5,
        torch.randn(hidden, dtype=dtype) if bias else None,
        torch.randn(out, hidden, dtype=dtype) / hidden**0.5,
        torch.randn(out, dtype=dtype) if bias else None,
    ]


def fused(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, batch: Batch, dropout: float) -> Tensor:
    return ours(x, (w1, w2), (b1, b2), dropout)


def reference(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, batch: Batch, dropout: float) -> Tensor:
    seed = fresh_seed(x.device) if dropout else None
    return plain_torch(x, (w1, w2), (b1, b2), dropout, seed)


def case(name: str, hidden: int, out: int, dropout: float = 0.0, bias: bool = True) -> Case:
    return Case(
        name,
        partial(fused, dropout=dropout),
        partial(reference, dropout=dropout),
        partial(inputs, hidden=hidden, out=out, bias=bias),
        kernel="mlp",
    )


@pytest.mark.parametrize(
    "case",
    [case("mlp", 64, 33), case("mlp without bias", 7, 20, bias=False), case("mlp, dropout", 90, 16, 0.3)],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)
