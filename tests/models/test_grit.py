"""GRIT against its equations on dense matrices, and what its pairs begin as."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gnnlab.encodings.rrwp import RRWP, relative_walks
from gnnlab.encodings.rwse import RWSE
from gnnlab.errors import UsageError
from gnnlab.models.grit import GRIT, GRITLayer, PairAttention, signed_root
from gnnlab.nn.all_pairs import all_pairs
from gnnlab.nn.head import Pyramid
from gnnlab.packed import Packed
from gnnlab.testing import assert_padding_changes_nothing, random_graph, sample, sample_spec

HEADS, WIDTH = 2, 3
DIM = HEADS * WIDTH


def graphs() -> Packed:
    generator = torch.Generator().manual_seed(0)
    return Packed.from_graphs([random_graph(n, 2 * n, generator, isolated=1) for n in (9, 1, 6)])


BATCH = graphs().batch()
PAIRS = all_pairs(BATCH)


def states() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((BATCH.num_nodes, DIM), (PAIRS.num_edges, DIM))
    x, e = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return x, e


def test_attention_is_the_dense_formula() -> None:
    torch.manual_seed(0)
    layer, (x, e) = PairAttention(DIM, HEADS, 0.0).double(), states()
    out, new_e = layer(x, e, PAIRS)
    assert isinstance(layer.factor, nn.Linear)
    for first, last in zip(BATCH.ptr.tolist(), BATCH.ptr[1:].tolist(), strict=False):
        n = last - first
        rows = slice(int(PAIRS.rowptr[first]), int(PAIRS.rowptr[last]))
        own = x[first:last]
        z = (layer.query(own)[:, None] + layer.key(own)) * layer.factor(e[rows]).view(n, n, DIM)
        hat = (z.relu().sqrt() - (-z).relu().sqrt() + layer.offset(e[rows]).view(n, n, DIM)).relu()
        assert_close(new_e[rows].view(n, n, DIM), hat)
        heads = hat.view(n, n, HEADS, WIDTH)
        alpha = torch.einsum("ijhc,hc->ijh", heads, layer.score).clamp(-5, 5).softmax(1)
        assert_close(alpha.sum(1), torch.ones(n, HEADS, dtype=torch.float64))
        values = layer.value(own).view(n, HEADS, WIDTH) + torch.einsum("ijhc,hcd->ijhd", heads, layer.from_pairs)
        assert_close(out[first:last], torch.einsum("ijh,ijhd->ihd", alpha, values).flatten(1))


def test_degrees_scale_what_a_node_reads() -> None:
    torch.manual_seed(0)
    layer, (x, e) = GRITLayer(DIM, HEADS, 0.0, 0.2).double().eval(), states()
    degrees = torch.rand(BATCH.num_nodes, 1, dtype=torch.float64)
    mixed, new_e = layer.attention(x, e, PAIRS)
    scaled = layer.scale[0] * mixed + layer.scale[1] * mixed * degrees
    expected = layer.after(scaled, x, None), layer.pair_norm(e + layer.pair_out(new_e))
    assert_close(layer(x, e, PAIRS, degrees), expected)


def test_walks_from_a_node_to_itself_are_the_encodings_of_the_nodes() -> None:
    model = GRIT(sample_spec("graph"), [], Pyramid, DIM, 0, HEADS, steps=5).double()
    seen: list[Tensor] = []
    model.node_walks.register_forward_pre_hook(lambda _, inputs: seen.append(*inputs))
    model(BATCH)
    bare = graphs()
    assert_close(seen[0].float(), RRWP(5).precompute(bare)["rrwp"])
    assert_close(seen[0][:, 1:].float(), RWSE(4).precompute(bare)["rwse"])


def test_pairs_begin_as_walks_and_edge_features() -> None:
    model = GRIT(sample_spec("graph"), [], Pyramid, DIM, 1, HEADS, steps=5).double()
    seen: list[Tensor] = []
    model.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    model(BATCH)
    assert model.edges is not None
    expected = model.pair_walks(relative_walks(BATCH, 5).double())
    features = model.edges(BATCH.edge_attr, BATCH.num_edges)
    ends = {tuple(pair): row for row, pair in enumerate(PAIRS.edge_index.T.tolist())}
    for edge, (source, target) in enumerate(BATCH.edge_index.T.tolist()):
        expected[ends[source, target]] += features[edge]
    assert_close(seen[0], expected)


def test_signed_root_has_a_gradient_at_zero() -> None:
    z = torch.tensor([-4.0, 0.0, 9.0], requires_grad=True)
    root = signed_root(z)
    root.sum().backward()
    assert z.grad is not None
    assert_close(root, torch.tensor([-2.0, 0.0, 3.0]))
    assert_close(z.grad, torch.tensor([1 / 4, 0.0, 1 / 6]))


def test_padding() -> None:
    torch.manual_seed(0)
    model = GRIT(sample_spec("graph"), [], Pyramid, DIM, 2, HEADS, steps=5, attention_dropout=0.0)
    assert_padding_changes_nothing(model, sample())


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"hidden_dim=10 is not a multiple of model.num_heads=4"):
        GRIT(sample_spec("graph"), [], Pyramid, hidden_dim=10, num_heads=4)
