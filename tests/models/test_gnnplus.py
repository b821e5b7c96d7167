"""GNN+ is the plain stack where its additions are off; its feed-forward block; published parameter counts on ZINC."""

from functools import partial

import pytest
import torch

from gnnlab.encodings.rwse import RWSE
from gnnlab.models.gnnplus import GNNPlus
from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gcne import GCNE
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.head import Pyramid
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import assert_padding_changes_nothing, sample, sample_spec

SPEC = sample_spec("graph")
ZINC = GraphSpec("zinc", "graph", "regression", 1, "mae", Feature.categorical(21), Feature.categorical(4))


@pytest.mark.parametrize("conv", [GCNE, GINE, GatedGCN])
@pytest.mark.parametrize("training", [True, False])
def test_without_feed_forward_it_is_the_plain_stack(conv: type, training: bool) -> None:
    torch.manual_seed(0)
    plain = MPNN(SPEC, [], conv, Pyramid, 8, 2).train(training)
    plus = GNNPlus(SPEC, [], conv, Pyramid, 8, 2, feed_forward=False).train(training)
    plus.load_state_dict(plain.state_dict())
    torch.testing.assert_close(plus(sample().batch()), plain(sample().batch()))


def test_a_layer_without_residual_or_norm_is_its_conv_and_the_feed_forward_block_has_both() -> None:
    torch.manual_seed(0)
    make = partial(GNNPlus, SPEC, [], GINE, Pyramid, 8, 1, norm=False, residual=False)
    bare, full, batch = make(feed_forward=False).eval(), make().eval(), sample().batch()
    generator = torch.Generator().manual_seed(0)
    x, e = (torch.randn(rows, 8, generator=generator) for rows in (batch.num_nodes, batch.num_edges))
    torch.testing.assert_close(bare.layers[0](x, e, batch)[0], bare.layers[0].conv(x, e, batch)[0].relu())
    layer = full.layers[0]
    y = layer.norms[0](layer.conv(x, e, batch)[0].relu())
    torch.testing.assert_close(layer(x, e, batch)[0], layer.norms[1](y + layer.feed_forward(y)))


@pytest.mark.parametrize("conv", [GCNE, GatedGCN])
def test_padding(conv: type) -> None:
    torch.manual_seed(0)
    assert_padding_changes_nothing(GNNPlus(SPEC, [], conv, Pyramid, 8, 2), sample())


@pytest.mark.parametrize(
    ("conv", "norm", "width", "layers", "steps", "published"),
    [
        (GCNE, True, 64, 12, 32, 260_177),
        (GINE, False, 80, 12, 20, 477_241),
        (GatedGCN, True, 70, 9, 20, 413_355),
    ],
)
def test_published_counts(conv: type, norm: bool, width: int, layers: int, steps: int, published: int) -> None:
    """The release counts 21 kinds of atoms, and adds to the edges on ZINC a linear map of random walks along them."""
    walks = (steps + 1) * width
    model = GNNPlus(ZINC, [RWSE(steps, 28)], conv, Pyramid, width, layers, norm=norm)
    assert sum(parameter.numel() for parameter in model.parameters()) + walks == published
