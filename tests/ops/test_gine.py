"""GINE's aggregation."""

import pytest
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import gine as ours
from gnnlab.ops.gine import reference as plain_torch
from tests.ops.parity import Case, check_everything


def plain(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    rows, edges = batch.num_nodes, batch.edge_index.shape[1]
    return [torch.randn(rows, width, dtype=dtype), torch.randn(edges, width, dtype=dtype), None]


def weighted(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [*plain(batch, width, dtype)[:2], torch.rand(batch.edge_index.shape[1], dtype=dtype)]


def fused(x: Tensor, e: Tensor, weight: Tensor | None, batch: Batch) -> Tensor:
    return ours(x, e, batch, weight, root=1.5)


def reference(x: Tensor, e: Tensor, weight: Tensor | None, batch: Batch) -> Tensor:
    return plain_torch(x, e, batch, weight, root=1.5)


@pytest.mark.parametrize(
    "case",
    [
        Case("gine", fused, reference, plain, kernel="gine"),
        Case("gine, weighted edges", fused, reference, weighted, kernel="gine"),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)
