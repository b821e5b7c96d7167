"""Our GPS with the weights of PyG's `GPSConv` stack computes the same function and the same gradients."""

import importlib.util
from functools import partial
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch as PyGBatch

from gnnlab.encodings.rwse import RWSE
from gnnlab.models.gps import GPS
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.head import Pyramid
from gnnlab.nn.mixer.attention import Attention
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import random_graph

TWIN = Path(__file__).parents[2] / "experiments/gps_zinc_vs_pyg/twin.py"
PARTS = {  # ours: PyG's, within a layer
    "conv.mlp.linears.0": "conv.nn.0",
    "conv.mlp.linears.1": "conv.nn.2",
    "mixer.qkv.weight": "attn.in_proj_weight",
    "mixer.qkv.bias": "attn.in_proj_bias",
    "mixer.out": "attn.out_proj",
    "conv_norm": "norm1.module",
    "mixer_norm": "norm2.module",
    "feed_forward.linears.0": "mlp.0",
    "feed_forward.linears.1": "mlp.3",
    "norm": "norm3.module",
}
OUTER = {
    "nodes.features.table": "atoms",
    "nodes.encoders.0.norm": "pe.0",
    "nodes.encoders.0.linear": "pe.1",
    "edges.table": "bonds",
    **{f"head.mlp.linears.{i}": f"head.{2 * i}" for i in range(3)},
}


def load_twin():
    spec = importlib.util.spec_from_file_location("twin", TWIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PyGGPS()


def theirs(name: str) -> str:
    """The name in PyG's stack of a parameter or buffer of ours."""
    prefix, table = "", OUTER
    if name.startswith("layers."):
        prefix, name = ".".join(name.split(".")[:2]) + ".", ".".join(name.split(".")[2:])
        table = PARTS
    part = max((part for part in table if name.startswith(part)), key=len)
    return prefix + table[part] + name[len(part) :]


def graphs():
    generator = torch.Generator().manual_seed(0)
    return [random_graph(n, 2 * n, generator) for n in (9, 23, 30, 14, 2, 37)]


@pytest.fixture
def pair():
    """The two models with equal weights and without dropout, in float64."""
    torch.manual_seed(0)
    zinc = GraphSpec("zinc", "graph", "regression", 1, "mae", Feature.categorical(28), Feature.categorical(4))
    head = partial(Pyramid, readout="sum")
    ours = GPS(zinc, [RWSE(20, 28)], GINE, partial(Attention, num_heads=4), head).double()
    peer = load_twin().double()
    for layer in peer.layers:
        layer.attn.dropout = 0.0
    state = peer.state_dict()
    ours.load_state_dict({name: state[theirs(name)] for name in ours.state_dict()})
    return ours, peer


@pytest.mark.parametrize("training", [True, False])
def test_same_outputs_and_gradients(pair, training):
    ours, peer = (model.train(training) for model in pair)
    packed = Packed.from_graphs(graphs())
    packed = packed.with_node(rwse=RWSE(20).precompute(packed)["rwse"].double())
    data = PyGBatch.from_data_list(graphs())
    data.pe, data.edge_attr = packed.node["rwse"], data.edge_attr.flatten()
    mine, other = ours(packed.batch()).squeeze(-1), peer(data)
    torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)
    mine.abs().sum().backward()
    other.abs().sum().backward()
    gradients = dict(peer.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[theirs(name)].grad, rtol=1e-6, atol=1e-6)
