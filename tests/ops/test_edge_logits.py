"""Logits of attention over edges: GATv2's and the graph transformer's."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.ops import dot_logits, dot_products, edge_softmax_sum, gatv2_logits
from gnnlab.ops.dot_logits import reference as plain_dot
from gnnlab.ops.gatv2_logits import reference as plain_gatv2
from gnnlab.packed import Packed
from tests.ops.parity import DEVICE, Case, batch_of, check_everything, inputs_of


def of_ends(heads: int, batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [*(torch.randn(batch.num_nodes, heads * width, dtype=dtype) for _ in range(2)), None]


def of_all(heads: int, batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    edge = torch.randn(batch.edge_index.shape[1], heads * width, dtype=dtype)
    return [*of_ends(heads, batch, width, dtype)[:2], edge]


def attended(inputs: Callable, heads: int, batch: Batch, width: int, dtype: torch.dtype) -> list[Tensor | None]:
    return [torch.randn(heads, width, dtype=dtype), *inputs(heads, batch, width, dtype)]


def gatv2(op: Callable, attention: Tensor, source: Tensor, target: Tensor, edge: Tensor | None, batch: Batch) -> Tensor:
    return op(source, target, attention, batch, edge)


def dot(op: Callable, heads: int, query: Tensor, key: Tensor, edge: Tensor | None, batch: Batch) -> Tensor:
    return op(query, key, heads, batch, edge)


def first(op: Callable, *args: Tensor | None) -> Tensor:
    return op(*args)[0]


def gatv2_case(inputs: Callable, heads: int, *widths: int) -> Case:
    """So many heads, and widths of one head."""
    fused, plain = partial(gatv2, gatv2_logits), partial(gatv2, plain_gatv2)
    return Case(f"gatv2, {heads} heads", fused, plain, partial(attended, inputs, heads), widths, "gatv2_logits")


def dot_case(inputs: Callable, heads: int, *widths: int) -> Case:
    fused, plain = partial(dot, dot_logits, heads), partial(first, partial(dot, plain_dot, heads))
    return Case(f"dot, {heads} heads", fused, plain, partial(inputs, heads), widths, "dot_logits")


def products_case(heads: int, *widths: int) -> Case:
    fused, plain = partial(dot, dot_products, heads), partial(dot, plain_dot, heads)
    return Case(f"products, {heads} heads", fused, plain, partial(of_all, heads), widths, "dot_logits")


@pytest.mark.parametrize(
    "case",
    [
        gatv2_case(of_ends, 3, 1, 5, 23),
        gatv2_case(of_all, 2, 4, 8, 16),
        gatv2_case(of_ends, 1, 7, 70),
        dot_case(of_ends, 3, 1, 5, 23),
        dot_case(of_all, 2, 4, 8, 16),
        products_case(1, 7, 70),
        products_case(2, 8, 18),
    ],
    ids=str,
)
def test_everything(case: Case) -> None:
    check_everything(case)


def test_gradients_where_only_the_products_are_used() -> None:
    batch = batch_of(20, 30)
    inputs = [t.requires_grad_() for t in inputs_of(products_case(4), batch, 10, torch.float64)]
    losses = (dot(op, 4, *inputs, batch)[1].square().sum() for op in (dot_products, plain_dot))
    assert_close(*(torch.autograd.grad(loss, inputs) for loss in losses))


def test_a_complete_graph_with_edges_of_ones_is_plain_attention() -> None:
    """softmax(q kᵀ / √C) v, head by head."""
    n, heads, width = 9, 4, 6
    batch = complete(n)
    query, key, value = (torch.randn(n, heads * width, dtype=torch.float64, device=DEVICE) for _ in range(3))
    logits = dot_logits(query, key, heads, batch, query.new_ones(n * n, heads * width))
    q, k, v = (t.view(n, heads, width).transpose(0, 1) for t in (query, key, value))
    expected = scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
    assert_close(edge_softmax_sum(logits, value, batch), expected)


def complete(nodes: int) -> Batch:
    """One graph with every edge, loops too."""
    data = Data(edge_index=torch.cartesian_prod(torch.arange(nodes), torch.arange(nodes)).T, num_nodes=nodes)
    data.x, data.y = torch.zeros(nodes, 1, dtype=torch.long), torch.zeros(1, 1)
    return Packed.from_graphs([data]).batch().to(DEVICE)
