"""SAN against its equations on dense matrices; without other pairs it attends along edges alone."""

import math

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.models.san import SANLayer
from gnnlab.nn.edge_attention import EdgeAttention
from gnnlab.packed import Packed
from gnnlab.testing import sample

BATCH = sample().batch()
HEADS, WIDTH = 2, 3
DIM = HEADS * WIDTH


def states(batch: Batch) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch.num_nodes, DIM), (batch.num_edges, DIM))
    x, e = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return x, e


def attended(layer: SANLayer, x: Tensor, e: Tensor, batch: Batch = BATCH) -> Tensor:
    """What the layer attends to, before what follows."""
    layer.register_module("after", Bare())
    return layer(x, e, batch)[0]


class Bare(nn.Module):
    def forward(self, mixed: Tensor, x: Tensor, rows: Tensor | None) -> Tensor:
        return mixed


def test_attention_is_the_dense_formula() -> None:
    torch.manual_seed(0)
    layer, gamma = SANLayer(DIM, HEADS, 0.3, 0.0).double(), 0.3
    others = layer.others
    assert others is not None
    assert layer.edges.edge is not None
    x, e = states(BATCH)
    n, (source, target) = BATCH.num_nodes, BATCH.edge_index
    adjacent = torch.zeros(n, n, dtype=torch.bool)
    adjacent[target, source] = True
    edge = torch.zeros(n, n, DIM, dtype=torch.float64).index_put((target, source), layer.edges.edge(e))

    def scores(query: Tensor, key: Tensor, state: Tensor) -> Tensor:
        products = query[:, None] * key * state / math.sqrt(WIDTH)
        return products.unflatten(-1, (HEADS, WIDTH)).sum(-1).clamp(-5, 5).exp()

    real = scores(layer.edges.query(x), layer.edges.key(x), edge) / (1 + gamma)
    fake = scores(others.query(x), others.key(x), others.no_edge) * gamma / (1 + gamma)
    fake = fake * ~torch.eye(n, dtype=torch.bool)[..., None]
    weight = torch.where(adjacent[..., None], real, fake) * (BATCH.batch[:, None] == BATCH.batch)[..., None]
    weight = weight / (weight.sum(1, keepdim=True) + 1e-6)
    expected = torch.einsum("ijh,jhc->ihc", weight, layer.value(x).unflatten(1, (HEADS, WIDTH)))
    assert_close(attended(layer, x, e), expected.flatten(1))


def test_gamma_zero_is_attention_along_edges_and_a_small_one_is_near_it() -> None:
    torch.manual_seed(0)
    sparse, full = (SANLayer(DIM, HEADS, gamma, 0.0).double() for gamma in (0.0, 1e-9))
    full.load_state_dict(sparse.state_dict(), strict=False)
    attention = EdgeAttention(DIM, HEADS).double()
    attention.scores.load_state_dict(sparse.edges.state_dict())
    attention.value.load_state_dict(sparse.value.state_dict())
    x, e = states(BATCH)
    expected, near = attention(x, e, BATCH)[0], attended(full, x, e)
    assert_close(attended(sparse, x, e), expected)
    has_edges = BATCH.rowptr.diff() > 0
    assert_close(near[has_edges], expected[has_edges], rtol=1e-4, atol=1e-4)


def test_weights_sum_to_one_for_every_node_with_a_pair() -> None:
    layer = SANLayer(DIM, HEADS, 1.0, 0.0).double()
    x, e = states(BATCH)
    x[:, 0] = 1.0
    nn.init.zeros_(layer.value.weight)
    layer.value.weight.data[:, 0] = 1.0
    paired = (BATCH.ptr.diff()[BATCH.batch] > 1) | (BATCH.rowptr.diff() > 0)
    assert_close(attended(layer, x, e), torch.ones_like(x) * paired[:, None], rtol=1e-3, atol=0.0)


def test_a_node_alone_attends_to_nothing_or_by_its_loop_to_itself() -> None:
    graphs = [Data(edge_index=torch.zeros(2, loops, dtype=torch.long), num_nodes=1) for loops in (0, 1)]
    batch = Packed.from_graphs(graphs).batch()
    layer = SANLayer(DIM, HEADS, 0.3, 0.0).double()
    x, e = states(batch)
    mixed = attended(layer, x.requires_grad_(), e, batch)
    assert_close(mixed, layer.value(x) * torch.tensor([[0.0], [1.0]]), rtol=1e-3, atol=0.0)
    mixed.sum().backward()
    for tensor in (x, *layer.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
