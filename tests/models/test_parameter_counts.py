"""Published parameter counts, exactly (GraphGPS's released configurations; benchmarking-gnns on ZINC and TSP).

The data sets enter through a `GraphSpec` written by hand, so no data is needed. Counts of presets are in
`tests/test_presets.py`, those that take arithmetic of their own beside their parts: SPE 651,495, 635,971 and 805,095
(`tests/encodings/test_spe.py`), MalNet-Tiny 527,237 (`tests/nn/test_performer.py`), Mamba 34,080 and attention 37,248
(`tests/nn/test_mamba.py`), SSWL+ 386,900 and SSWL 273,998 (`tests/models/test_sswl.py`), GNN+
(`tests/models/test_gnnplus.py`).

Published in thousands alone, of networks whose widths are not: 575k without an encoding and 662k with SignNet (Huang
et al. 2024; with the widths of SPE's the first would have 239,493), and tuned networks of Tönshoff et al. (2024), 486k.
"""

from functools import partial

import pytest

from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.rwse import RWSE
from gnnlab.models.gps import GPS
from gnnlab.models.graph_transformer import GraphTransformer
from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gat import GAT
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.conv.gin import GIN
from gnnlab.nn.conv.monet import MoNet
from gnnlab.nn.conv.pna import PNA
from gnnlab.nn.conv.sage import SAGE
from gnnlab.nn.head import Depthwise, Flat, Pyramid
from gnnlab.nn.mixer.attention import Attention
from gnnlab.spec import Feature, GraphSpec, Level

ATOM = Feature.categorical(119, 4, 12, 12, 10, 6, 6, 2, 2)
BOND = Feature.categorical(5, 6, 2)


def spec(out: int, node: Feature, edge: Feature = Feature(), level: Level = "graph") -> GraphSpec:
    return GraphSpec("published", level, "regression", out, "mae", node, edge)


ZINC = spec(1, Feature.categorical(28), Feature.categorical(4))
PEPTIDES_LAPPE = LapPE(k=10, dim=16)

GPS_TABLE = [
    # name, spec, conv, encoding, head, width, layers, heads, published
    ("Peptides-func", spec(10, ATOM, BOND), GatedGCN, PEPTIDES_LAPPE, Flat, 96, 4, 4, 504_362),
    ("Peptides-struct", spec(11, ATOM, BOND), GatedGCN, PEPTIDES_LAPPE, Flat, 96, 4, 4, 504_459),
    ("PascalVOC-SP", spec(21, Feature.continuous(14), Feature.continuous(2), "node"), GatedGCN, PEPTIDES_LAPPE,
     partial(Flat, layers=3), 96, 4, 8, 510_453),
    ("COCO-SP", spec(81, Feature.continuous(14), Feature.continuous(2), "node"), GatedGCN, PEPTIDES_LAPPE,
     partial(Flat, layers=3), 96, 4, 8, 516_273),
    ("molhiv", spec(1, ATOM, BOND), GatedGCN, RWSE(16, 16), Pyramid, 64, 10, 4, 558_625),
    ("molpcba", spec(128, ATOM, BOND), GatedGCN, RWSE(16, 20), Flat, 384, 5, 4, 9_744_496),
    ("CIFAR10", spec(10, Feature.continuous(5), Feature.continuous(1)), GatedGCN, LapPE(8, 8), partial(Flat, layers=2),
     52, 3, 4, 112_726),
    ("MNIST", spec(10, Feature.continuous(3), Feature.continuous(1)), GatedGCN, LapPE(8, 8), partial(Flat, layers=3),
     52, 3, 4, 115_394),
    ("PCQM4Mv2 small", spec(1, ATOM, BOND), GatedGCN, RWSE(16, 20), Pyramid, 304, 5, 4, 6_152_001),
    ("PCQM4Mv2 medium", spec(1, ATOM, BOND), GatedGCN, RWSE(16, 20), Pyramid, 384, 10, 4, 19_414_641),
    ("PCQM4Mv2 deep", spec(1, ATOM, BOND), GatedGCN, RWSE(16, 20), Pyramid, 256, 16, 4, 13_807_345),
]  # fmt: skip

MPNN_TABLE = [
    # name, conv, head, width, layers, edge features, encodings, published
    ("GCN 500k", partial(GCN, self_loops=False), Pyramid, 172, 16, True, [], 505_079),
    ("GIN 500k", GIN, Depthwise, 124, 16, True, [], 509_549),
    ("GraphSAGE 100k, width 85", partial(SAGE, reduce="max"), Pyramid, 85, 4, True, [], 94_977),  # the release has 90
    ("GraphSAGE 500k", partial(SAGE, reduce="max"), Pyramid, 101, 16, True, [], 505_341),
    ("GAT 500k", GAT, Pyramid, 8 * 22, 16, True, [], 531_345),
    ("MoNet 500k", MoNet, Pyramid, 101, 16, True, [], 504_013),
    ("GatedGCN 100k", GatedGCN, Pyramid, 70, 4, False, [], 105_735),
    ("GatedGCN 500k, bonds", GatedGCN, Pyramid, 78, 16, True, [], 504_309),
    ("GatedGCN 500k, bonds, LapPE", GatedGCN, Pyramid, 78, 16, True,
     [LapPE(8, skip_trivial=True, net="linear")], 505_011),
]  # fmt: skip

TSP_TABLE = [
    # name, conv, width, published
    ("GCN", partial(GCN, self_loops=False), 120, 95_702),
    ("GraphSAGE", partial(SAGE, reduce="max"), 82, 99_263),
    ("GAT", GAT, 8 * 15, 96_182),
    ("MoNet", MoNet, 82, 99_007),
]

TRANSFORMER_TABLE = [
    # name, spec, eigenvectors, width, published
    ("PATTERN", spec(2, Feature.categorical(3), level="node"), 2, 80, 522_982),
    ("CLUSTER", spec(6, Feature.categorical(7), level="node"), 10, 80, 524_026),
]


def count(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("row", GPS_TABLE, ids=lambda row: row[0])
def test_gps(row):
    _, graph_spec, conv, encoding, head, width, layers, heads, published = row
    mixer = partial(Attention, num_heads=heads)
    assert count(GPS(graph_spec, [encoding], conv, mixer, head, hidden_dim=width, num_layers=layers)) == published


@pytest.mark.parametrize("row", MPNN_TABLE, ids=lambda row: row[0])
def test_mpnn_on_zinc(row):
    _, conv, head, width, layers, bonds, encodings, published = row
    model = MPNN(ZINC, encodings, conv, head, hidden_dim=width, num_layers=layers, edge_features=bonds)
    assert count(model) == published


@pytest.mark.parametrize("row", TSP_TABLE, ids=lambda row: row[0])
def test_mpnn_on_tsp(row):
    _, conv, width, published = row
    tsp = spec(2, Feature.continuous(2), Feature.continuous(1), level="edge")
    assert count(MPNN(tsp, [], conv, Pyramid, hidden_dim=width, num_layers=4)) == published


@pytest.mark.parametrize("row", TRANSFORMER_TABLE, ids=lambda row: row[0])
def test_graph_transformer(row):
    _, graph_spec, k, width, published = row
    encoding = LapPE(k, laplacian="sym", skip_trivial=True, net="linear")
    assert count(GraphTransformer(graph_spec, [encoding], Pyramid, hidden_dim=width)) == published


def test_gat_of_dgl_on_zinc():
    """The layer of DGL has a bias after every layer, which the benchmark's own has not."""
    layers, width = 4, 8 * 18
    model = MPNN(ZINC, [], GAT, Pyramid, hidden_dim=width, num_layers=layers)
    assert count(model) + layers * width == 102_961


def test_pna_on_zinc():
    """The release's towers carry the two maps of a GAT head (in² + 2 in) that no step of it uses, and its edges are
    of width 40; ours have the width of the model, so that both ends of every edge map grow by 30 columns.
    """
    layers, towers, width, edge_width = 16, 5, 70, 40
    inside = width // towers
    model = MPNN(ZINC, [], partial(PNA, spec=ZINC, towers=towers), Pyramid, hidden_dim=width, num_layers=layers)
    unused = layers * towers * (inside**2 + 2 * inside)
    wider = (width - edge_width) * (layers * towers * inside + 4)
    assert count(model) == 387_155 - unused + wider
