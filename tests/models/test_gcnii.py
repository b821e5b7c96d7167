"""GCNII's layers are those of the conv that has all of them in one; an edge of weight 0 is an edge removed."""

import torch
from torch.testing import assert_close

from gnnlab import compose
from gnnlab.config import build
from gnnlab.models.gcnii import GCNII
from gnnlab.nn.conv.gcnii import GCNII as GCNIIConv
from gnnlab.testing import sample, sample_spec


def made(layers: int = 3) -> GCNII:
    cfg = compose("model=gcnii", "dataset=zinc", "encoding=[]", "preset=none", f"model.num_layers={layers}")
    torch.manual_seed(0)
    return build(cfg.model, spec=sample_spec("node"), encodings=[]).eval()


def test_its_layers_are_those_of_the_conv() -> None:
    model, batch, conv = made(), sample().batch(), GCNIIConv(64, depth=3)
    conv.layers.load_state_dict(model.layers.state_dict())
    states = conv(model.nodes(batch).relu(), None, batch)[0]
    assert_close(model(batch), model.head([states], batch))


def test_without_maps_and_with_all_of_the_first_state_nothing_moves() -> None:
    model, batch = made(), sample().batch()
    for layer in model.layers:
        layer.alpha, layer.beta = 1.0, 0.0
    assert_close(model(batch), model.head([model.nodes(batch).relu()], batch))


def test_parameters() -> None:
    """Embedding 28 d, L maps d², head 3 (d + 1)."""
    assert sum(parameter.numel() for parameter in made(8).parameters()) == 28 * 64 + 8 * 64**2 + 3 * 65
