"""Softmax over in-edges and the weighted sum, with given logits and with GAT's."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.ops import backend, edge_softmax_sum, gat, gat_scores
from gnnlab.ops.edge_softmax import gat_reference, reference
from gnnlab.ops.gat_scores import reference as plain_scores
from gnnlab.ops.random import fresh_seed
from tests.ops.parity import DEVICE, Case, batch_of, batches, check_everything, inputs_of, run


def given(heads: int, batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    rows, edges = batch.num_nodes, batch.edge_index.shape[1]
    return [3 * torch.randn(edges, heads, dtype=dtype), torch.randn(rows, heads * width, dtype=dtype)]


def scored(heads: int, batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    rows = batch.num_nodes
    scores = [torch.randn(rows, heads, dtype=dtype) for _ in range(2)]
    return [*scores, torch.randn(rows, heads * width, dtype=dtype)]


def seeded(logits: Tensor, value: Tensor, batch: Batch, eps: float, dropout: float, **weight: Tensor) -> Tensor:
    """The reference, from the seed that the op draws."""
    return reference(logits, value, batch, eps, dropout, fresh_seed(value.device) if dropout else None, **weight)


def weighted(inputs: Callable, batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    """With edge weights before the values."""
    *scores, value = inputs(batch, width, dtype)
    return [*scores, torch.rand(batch.num_edges, dtype=dtype) + 0.1, value]


def of_weighted(op: Callable, *inputs: Any) -> Tensor:
    *scores, weight, value, batch = inputs
    return op(*scores, value, batch, edge_weight=weight)


def with_weights(case: Case) -> Case:
    fused, plain = (partial(of_weighted, op) for op in (case.fused, case.reference))
    return replace(case, name=f"{case}, weighted", fused=fused, reference=plain, inputs=partial(weighted, case.inputs))


def softmax_case(heads: int, *widths: int, eps: float = 0.0, dropout: float = 0.0) -> Case:
    """So many heads, and widths of one head."""
    fused, plain = (partial(op, eps=eps, dropout=dropout) for op in (edge_softmax_sum, seeded))
    return Case(f"softmax, {heads} heads", fused, plain, partial(given, heads), widths, "edge_softmax_sum")


def scores_case(heads: int, *widths: int) -> Case:
    def inputs(batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
        shapes = (batch.num_nodes, heads * width), (heads, width), (heads, width)
        return [torch.randn(shape, dtype=dtype) for shape in shapes]

    fused, plain = partial(of_values, gat_scores), partial(of_values, plain_scores)
    return Case(f"gat_scores, {heads} heads", fused, plain, inputs, widths, "gat_scores")


def of_values(op: Callable, *inputs: Any) -> tuple[Tensor, Tensor]:
    *values, _ = inputs
    return op(*values)


def gat_case(heads: int, *widths: int) -> Case:
    return Case(f"gat, {heads} heads", gat, gat_reference, partial(scored, heads), widths, "edge_softmax_sum")


@pytest.mark.parametrize(
    "case",
    [
        softmax_case(1, 1, 7, 64, 70),
        softmax_case(8, 4, 8, 16),
        softmax_case(20, 1, 3, 16),
        softmax_case(2, 5, eps=0.5),
        softmax_case(3, 1, 5, eps=0.5, dropout=0.6),
        gat_case(3, 1, 5, 23),
        gat_case(8, 4, 8, 16),
        scores_case(1, 1, 7, 64),
        scores_case(8, 3, 8, 16),
        with_weights(softmax_case(8, 7, 8)),
        with_weights(softmax_case(20, 3, eps=0.5)),
        with_weights(softmax_case(3, 1, 5, eps=0.5, dropout=0.6)),
        with_weights(gat_case(3, 1, 5, 23)),
        with_weights(gat_case(8, 8)),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weight_that_has_no_inverse_removes_its_edge(dtype: torch.dtype) -> None:
    batch, _ = Batch.from_edges(torch.tensor([[0, 1], [2, 2]]), 3)
    weight = torch.tensor([torch.finfo(dtype).tiny / 16, 1.0], dtype=dtype, requires_grad=True)
    logits, value = torch.zeros(2, 1, dtype=dtype), torch.tensor([[3.0], [1.0], [0.0]], dtype=dtype)
    for op in (edge_softmax_sum, reference):
        out = op(logits, value, batch, edge_weight=weight)
        assert out[2].item() == 1.0
        (grad,) = torch.autograd.grad(out.sum(), weight)
        assert grad.tolist() == [0.0, 0.0]


def test_weights_sum_to_one_and_a_node_without_in_edges_gets_zero() -> None:
    batch = batches()["all kinds"]
    logits, value = inputs_of(softmax_case(3), batch, 7, torch.float32)
    out = edge_softmax_sum(100 * logits, torch.ones_like(value), batch)
    assert_close(out, (batch.rowptr.diff() > 0).float().unsqueeze(-1).expand_as(out))


def test_dropout_keeps_the_mean_and_drops_all_where_p_is_one() -> None:
    batch = batches()["larger"]
    logits, value = inputs_of(softmax_case(2), batch, 4, torch.float64)
    mean = torch.stack([edge_softmax_sum(logits, value, batch, dropout=0.5) for _ in range(1000)]).mean(0)
    assert_close(mean, edge_softmax_sum(logits, value, batch), atol=0.5, rtol=0)
    assert not edge_softmax_sum(logits, value, batch, dropout=1.0).any()


def test_a_masked_edge_is_an_edge_removed() -> None:
    """-inf masks an edge for one head; a head of a node with all its edges masked gets 0; gradients stay finite."""
    batch = batches()["larger"]
    logits, value = (t.requires_grad_() for t in inputs_of(softmax_case(3), batch, 20, torch.float64))
    masked = torch.rand_like(logits) < 0.5
    seen = value.new_zeros(batch.num_nodes, 3).index_add(0, batch.edges.target, (~masked).double()) > 0
    assert not seen.all()
    holes = logits.masked_fill(masked, -torch.inf)
    out = edge_softmax_sum(holes, value, batch)
    buried = edge_softmax_sum(logits.masked_fill(masked, -1e3), value, batch)
    assert_close(out, buried * seen.repeat_interleave(20, 1))
    ours, exact = (
        torch.autograd.grad(op(holes, value, batch).square().sum(), (logits, value), retain_graph=True)
        for op in (edge_softmax_sum, reference)
    )
    assert_close(ours, exact)
    assert not ours[0][masked].any()


@pytest.mark.parametrize("case", [softmax_case(3), softmax_case(3, eps=0.5, dropout=0.5), gat_case(3)], ids=str)
def test_an_edge_of_weight_zero_is_an_edge_removed(case: Case) -> None:
    """However large its score is; it has no gradient, and the others have the reference's."""
    batch = batches()["larger"]
    *scores, weight, value = inputs_of(with_weights(case), batch, 21, torch.float64)
    gone = torch.rand(batch.num_edges, device=DEVICE) < 0.4
    weight = weight.masked_fill(gone, 0.0)
    if len(scores) == 1:
        scores = [scores[0] + 1e3 * gone.unsqueeze(-1)]
    ours, exact = (
        run(op, [*scores, weight, value], batch) for op in (with_weights(case).fused, with_weights(case).reference)
    )
    assert_close(ours, exact)
    assert not ours[1][-2][gone].any()
    if case.fused is gat:
        fewer, order = Batch.from_edges(batch.edge_index[:, ~gone], batch.num_nodes)
        assert_close(ours[0][0], gat(*scores, value, fewer, weight[~gone][order]))


def test_logits_far_apart_stay_finite() -> None:
    batch = batches()["all kinds"]
    logits, value = inputs_of(softmax_case(2), batch, 16, torch.float32)
    for shift in (-1e30, 1e30):
        for eps in (0.0, 1e-6):
            assert edge_softmax_sum(shift * logits.abs(), value, batch, eps).isfinite().all()


def test_all_logits_shifted_change_nothing() -> None:
    batch = batches()["larger"]
    logits, value = inputs_of(softmax_case(4), batch, 16, torch.float64)
    shift = torch.randn(batch.num_nodes, 4).to(logits)[batch.edges.target]
    assert_close(edge_softmax_sum(logits + shift, value, batch), edge_softmax_sum(logits, value, batch))


def test_logits_of_another_precision_take_that_of_the_values() -> None:
    batch = batch_of(9)
    logits, value = torch.randn(batch.num_edges, 2, device=DEVICE), torch.randn(9, 6, device=DEVICE).bfloat16()
    outputs = []
    modes: tuple[backend.Mode, ...] = ("auto", "reference")
    for mode in modes:
        with backend.using(mode):
            outputs.append(edge_softmax_sum(logits, value, batch))
    assert outputs[0].dtype == outputs[1].dtype == torch.bfloat16
    assert_close(*outputs, rtol=4e-2, atol=4e-2)
