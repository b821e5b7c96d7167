"""Attention by positive features."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.ops import linear_attention as ours
from gnnlab.ops.linear_attention import reference as plain_torch
from tests.ops.parity import DEVICE, Case, batch_of, check_everything, needs_kernels

HEADS = 2


def case(features: int) -> Case:
    def inputs(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
        q, k = (torch.rand(batch.num_nodes, HEADS * features, dtype=dtype) + 0.1 for _ in range(2))
        return [q, k, torch.randn(batch.num_nodes, HEADS * width, dtype=dtype)]

    def fused(q: Tensor, k: Tensor, v: Tensor, batch: Batch) -> Tensor:
        return ours(q, k, v, batch, HEADS)

    def reference(q: Tensor, k: Tensor, v: Tensor, batch: Batch) -> Tensor:
        return plain_torch(q, k, v, batch, HEADS)

    return Case(f"{features} features", fused, reference, inputs, (1, 7, 16, 40), kernel="linear_attention")


@pytest.mark.parametrize("case", [case(5), pytest.param(case(16), marks=pytest.mark.slow), case(44)], ids=str)
def test_everything(case: Case) -> None:
    check_everything(case)


def test_equals_attention_with_the_weights_written_out() -> None:
    needs_kernels()
    batch = batch_of(1, 12, 5)
    q, k = (torch.rand(18, 6, dtype=torch.float64).to(DEVICE) for _ in range(2))
    v = torch.randn(18, 4, dtype=torch.float64).to(DEVICE)
    out = ours(q, k, v, batch, num_heads=1)
    for first, last in zip(batch.ptr, batch.ptr[1:], strict=False):
        weights = q[first:last] @ k[first:last].T
        assert_close(out[first:last], weights / weights.sum(1, keepdim=True) @ v[first:last])
