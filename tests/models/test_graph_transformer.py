"""The graph transformer against its equations written densely, torch's attention, and its published sizes."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.models.graph_transformer import GraphTransformer, GraphTransformerLayer
from gnnlab.nn.edge_attention import EdgeAttention
from gnnlab.nn.head import Pyramid
from gnnlab.testing import sample, sample_spec
from tests.graphs import one_graph

BATCH = sample().batch()


def states(batch: Batch, dim: int, size: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch.num_nodes, dim), (batch.num_edges, dim))
    x, e = (size * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return x, e


@pytest.mark.parametrize("size", [1.0, 10.0])  # the second reaches the clamp
def test_attention_is_the_formula_node_by_node(size: float) -> None:
    heads, width = 2, 3
    attention = EdgeAttention(heads * width, heads).double()
    x, e = states(BATCH, heads * width, size)
    out, products = attention(x, e, BATCH)
    scores = attention.scores
    assert scores.edge is not None
    source, target = BATCH.edge_index
    expected = scores.query(x)[target] * scores.key(x)[source] * scores.edge(e) / math.sqrt(width)
    assert_close(products, expected)
    weight = expected.unflatten(1, (heads, width)).sum(-1).clamp(-5, 5).exp()
    assert bool((weight == math.exp(5)).any()) == (size > 1)
    value = attention.value(x).unflatten(1, (heads, width))
    for node in [0, *range(5, 40), BATCH.num_nodes - 1]:
        into = target == node
        total = weight[into].sum(0) + 1e-6
        mixed = (weight[into, :, None] * value[source[into]]).sum(0) / total[:, None]
        assert_close(out[node], mixed.flatten())


def test_on_a_complete_graph_with_edges_of_one_it_is_softmax_attention() -> None:
    n, heads, width = 9, 2, 4
    pairs = torch.ones(n, n).nonzero().T
    batch = one_graph(n, pairs).batch()
    attention = EdgeAttention(heads * width, heads, edges=False).double()
    x, _ = states(batch, heads * width, 0.5)
    query, key, value = (
        linear(x).view(n, heads, width).transpose(0, 1)
        for linear in (attention.scores.query, attention.scores.key, attention.value)
    )
    expected = scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1)
    assert_close(attention(x, None, batch)[0], expected, rtol=1e-6, atol=1e-6)
    with_edges = EdgeAttention(heads * width, heads).double()
    with_edges.load_state_dict(attention.state_dict(), strict=False)
    assert with_edges.scores.edge is not None
    nn.init.eye_(with_edges.scores.edge.weight)
    ones = torch.ones(batch.num_edges, heads * width, dtype=torch.float64)
    assert_close(with_edges(x, ones, batch)[0], expected, rtol=1e-6, atol=1e-6)


def test_weights_sum_to_one_where_there_are_neighbours() -> None:
    attention = EdgeAttention(8, 2).double()
    x, e = states(BATCH, 8)
    x[:, 0] = 1.0
    nn.init.zeros_(attention.value.weight)
    attention.value.weight.data[:, 0] = 1.0
    expected = (BATCH.rowptr.diff() > 0).double()[:, None].expand(-1, 8)
    assert_close(attention(x, e, BATCH)[0], expected, rtol=1e-4, atol=0.0)


def test_a_layer_has_its_residuals_norms_and_feed_forward_blocks() -> None:
    layer = GraphTransformerLayer(8, 2, dropout=0.0, edges=True).double().eval()
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            nn.init.uniform_(module.running_mean)
            nn.init.uniform_(module.weight)
    x, e = states(BATCH, 8)
    mixed, products = layer.attention(x, e, BATCH)
    for part, message, old, new in zip(
        (layer.nodes, layer.edges), (mixed, products), (x, e), layer(x, e, BATCH), strict=True
    ):
        assert part is not None
        first, second = part.feed_forward.linears
        y = nn.BatchNorm1d.forward(part.norm, old + part.out(message))
        assert_close(new, nn.BatchNorm1d.forward(part.last_norm, y + second(first(y).relu())))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"hidden_dim=10 is not a multiple of model.num_heads=4"):
        GraphTransformer(sample_spec("graph"), [], Pyramid, hidden_dim=10, num_heads=4)
