"""The residual networks of Platonov et al. (2023): what they compute, and their sizes on Minesweeper."""

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu
from torch.testing import assert_close

from gnnlab import compose
from gnnlab.config import build
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import sample, sample_spec

MINESWEEPER = GraphSpec("minesweeper", "node", "binary", 1, "roc_auc", Feature.continuous(7))
GT = ["model/conv=transformer", "model.separate=false", "model.feed_forward=after"]
GCN = ["model/conv=gcn", "model.conv.weights=false", "model.separate=false"]


def composed(*overrides: str, spec: GraphSpec = MINESWEEPER) -> nn.Module:
    torch.manual_seed(0)
    cfg = compose("model=prenorm", "dataset=minesweeper", *overrides)
    return build(cfg.model, spec=spec, encodings=[])


MAP, NORM = 512 * 512 + 512, 2 * 512
ENDS = (7 * 512 + 512) + NORM + (512 + 1)
SAGE, GCN_LAYER, GT_LAYER = NORM + (MAP + 512 * 512) + MAP, NORM + 2 * MAP, NORM + 4 * MAP + NORM + 2 * MAP


@pytest.mark.parametrize(
    ("overrides", "size"),
    [
        ([], ENDS + 5 * SAGE),
        (["model.num_layers=1"], ENDS + SAGE),
        (GCN, ENDS + 5 * GCN_LAYER),
        (GT, ENDS + 5 * GT_LAYER),
    ],
)
def test_sizes_are_those_of_the_release(overrides: list[str], size: int) -> None:
    assert sum(parameter.numel() for parameter in composed(*overrides).parameters()) == size


def test_a_perceptron_inside_the_branch() -> None:
    spec = sample_spec("node")
    model = composed("model.hidden_dim=16", "model.num_layers=1", spec=spec).double().eval()
    batch = sample().batch()
    (layer,) = model.layers
    x = gelu(model.nodes[0](batch))
    y = layer.norm.norm(x)
    around, _ = layer.conv(y, None, batch)
    first, last = layer.out.linears
    x = x + last(gelu(first(torch.cat([y, around], 1))))
    assert_close(model(batch), model.head.mlp(layer.last_norm.norm(x)))


def test_dropout_stands_before_the_activation() -> None:
    model = composed("model.hidden_dim=16", "model.dropout=0.5", spec=sample_spec("node")).train()
    perceptron, ones = model.layers[0].out, torch.ones(100, 16)
    first, last = perceptron.linears
    for tensor, value in ((first.weight, 0.0), (first.bias, 1.0), (last.bias, 0.0)):
        nn.init.constant_(tensor, value)
    nn.init.eye_(last.weight)
    for found in (model.nodes[1:](ones), perceptron(torch.ones(100, 32))):
        assert_close(found, torch.where(found == 0, 0.0, gelu(2 * ones)))
        assert 0 < (found == 0).sum() < found.numel()


def test_a_perceptron_after_attention() -> None:
    spec = sample_spec("node")
    model = composed(*GT, "model.hidden_dim=16", "model.num_layers=1", spec=spec).double().eval()
    batch = sample().batch()
    (layer,) = model.layers
    x = gelu(model.nodes[0](batch))
    x = x + layer.out(layer.conv(layer.norm.norm(x), None, batch)[0])
    first, last = layer.feed_forward.linears
    x = x + last(gelu(first(layer.feed_forward_norm.norm(x))))
    assert_close(model(batch), model.head.mlp(layer.last_norm.norm(x)))
