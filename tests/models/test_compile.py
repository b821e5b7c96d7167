"""Models are traced whole: no graph break, and at most two graphs however many shapes come.

Not so GRIT and SSWL, whose norms ask whether there is more than one pair of nodes, a number read from the batch;
Graphormer, whose shortest paths take as many steps as the longest; H2GCN, which looks for pairs two steps apart; and
what scans or cuts up graphs (Mamba, GMN, GSM).
"""

from functools import partial

import pytest
import torch
from torch._dynamo.utils import counters

from gnnlab.models.exphormer import Exphormer
from gnnlab.models.gnnplus import GNNPlus
from gnnlab.models.gps import GPS
from gnnlab.models.graph_transformer import GraphTransformer
from gnnlab.models.mpnn import MPNN
from gnnlab.models.san import SAN
from gnnlab.nn.conv.appnp import APPNP
from gnnlab.nn.conv.gat import GAT
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gatv2 import GATv2
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.conv.gcne import GCNE
from gnnlab.nn.conv.gcnii import GCNII
from gnnlab.nn.conv.gin import GIN
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.conv.mixhop import MixHop
from gnnlab.nn.conv.monet import MoNet
from gnnlab.nn.conv.pna import PNA
from gnnlab.nn.conv.sage import SAGE
from gnnlab.nn.head import Pyramid
from gnnlab.nn.mixer.attention import Attention
from gnnlab.ops import backend
from gnnlab.packed import Packed
from gnnlab.testing import random_graph, sample_spec

MODELS = {
    "gps": lambda: GPS(sample_spec("graph"), [], GINE, lambda dim: Attention(dim, dropout=0.5), Pyramid, 16, 1, 0.1),
    **{
        conv.__name__: lambda conv=conv: MPNN(sample_spec("graph"), [], conv, Pyramid, 16, 1)
        for conv in (GCN, GIN, GINE, GatedGCN, SAGE, GAT, GATv2, MoNet, APPNP, GCNII, MixHop)
    },
    "PNA": lambda: MPNN(sample_spec("graph"), [], partial(PNA, spec=sample_spec("graph"), towers=2), Pyramid, 16, 1),
    "virtual node": lambda: MPNN(sample_spec("graph"), [], GCN, Pyramid, 16, 2, virtual_node="sum"),
    "hub": lambda: MPNN(sample_spec("graph"), [], GatedGCN, Pyramid, 16, 2, virtual_node="node"),
    "rms norm": lambda: MPNN(sample_spec("graph"), [], GatedGCN, Pyramid, 16, 1, norm="rms"),
    "GNN+": lambda: GNNPlus(sample_spec("graph"), [], GCNE, Pyramid, 16, 1),
    "graph transformer": lambda: GraphTransformer(sample_spec("graph"), [], Pyramid, 16, 1, 2),
    "SAN": lambda: SAN(sample_spec("graph"), [], Pyramid, 16, 1, 2),
    "Exphormer": lambda: Exphormer(sample_spec("graph"), [], GatedGCN, Pyramid, 16, 1, 2),
}
SELDOM = {"GIN", "GCN", "GAT", "PNA", "SAGE", "GATv2", "MoNet", "APPNP", "GCNII", "MixHop", "hub", "rms norm", "GNN+"}
SELDOM |= {"graph transformer", "SAN", "Exphormer"}


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        *((name, "auto") for name in MODELS if name not in SELDOM),
        *(pytest.param(name, "auto", marks=pytest.mark.slow) for name in sorted(SELDOM)),
        pytest.param("gps", "reference", marks=pytest.mark.slow),
    ],
)
def test_two_graphs_serve_ten_shapes(name: str, ops: str) -> None:
    torch._dynamo.reset()
    counters.clear()
    generator = torch.Generator().manual_seed(0)
    model = MODELS[name]().train()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    try:
        backend.use(ops)
        for n in range(5, 15):
            graphs = [random_graph(n, 3 * n, generator), random_graph(2 * n + 1, 5 * n, generator)]
            compiled(Packed.from_graphs(graphs).batch()).sum().backward()
    finally:
        backend.use("auto")
    assert counters["stats"]["unique_graphs"] <= 2
