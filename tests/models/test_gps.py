"""GPS with one branch alone is what is left of its equations; a plain layer of GatedGCN with a feed-forward block."""

import pytest
import torch
from torch import Tensor, nn

from gnnlab.errors import UsageError
from gnnlab.models.gps import GPS
from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.head import Pyramid
from gnnlab.nn.mixer.attention import Attention
from gnnlab.testing import sample, sample_spec

SPEC = sample_spec("graph")


def norm(module: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(module, nn.BatchNorm1d)
    return nn.BatchNorm1d.forward(module, x)


def test_without_attention_it_is_the_plain_stack_with_feed_forward_blocks() -> None:
    """Each layer: the block of benchmarking-gnns, BN, and y + W₂ ReLU(W₁ y) under another BN."""
    torch.manual_seed(0)
    gps = GPS(SPEC, [], GatedGCN, None, Pyramid, 16, 2).double().eval()
    plain = MPNN(SPEC, [], GatedGCN, Pyramid, 16, 2).double().eval()
    batch = sample().batch()
    x, e = gps.nodes(batch), gps.edges(batch.edge_attr, batch.num_edges)
    for layer, block in zip(gps.layers, plain.layers, strict=True):
        block.load_state_dict(layer.conv.state_dict())
        x, e = block(x, e, batch)
        y = norm(layer.conv_norm, x)
        x = norm(layer.norm, y + layer.feed_forward(y))
    torch.testing.assert_close(gps(batch), gps.head([x], batch))


def test_without_a_conv_it_is_a_transformer_of_nodes() -> None:
    torch.manual_seed(0)
    gps, batch = GPS(SPEC, [], None, Attention, Pyramid, 16, 2).double().eval(), sample().batch()
    assert gps.edges is None
    x = gps.nodes(batch)
    for layer in gps.layers:
        y = norm(layer.mixer_norm, x + layer.mixer(x, batch))
        x = norm(layer.norm, y + layer.feed_forward(y))
    torch.testing.assert_close(gps(batch), gps.head([x], batch))


def test_both_branches_read_the_same_and_add_up() -> None:
    torch.manual_seed(0)
    gps, batch = GPS(SPEC, [], GINE, Attention, Pyramid, 16, 1).double().eval(), sample().batch()
    (layer,) = gps.layers
    x, e = gps.nodes(batch), gps.edges(batch.edge_attr, batch.num_edges)
    local = norm(layer.conv_norm, x + layer.conv(x, e, batch)[0])
    y = local + norm(layer.mixer_norm, x + layer.mixer(x, batch))
    torch.testing.assert_close(layer(x, e, batch)[0], norm(layer.norm, y + layer.feed_forward(y)))


def test_it_needs_one_of_them() -> None:
    with pytest.raises(UsageError, match="nothing to do"):
        GPS(SPEC, [], None, None, Pyramid)
