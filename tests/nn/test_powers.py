"""The convs that take several steps of GCN's propagation are PyG's, and what they tend to."""

import torch
from torch_geometric.nn import APPNP as PyGAPPNP
from torch_geometric.nn import GCN2Conv, MixHopConv

from gnnlab.nn.conv.appnp import APPNP
from gnnlab.nn.conv.gcn import GCN, normalised
from gnnlab.nn.conv.gcnii import GCNII
from gnnlab.nn.conv.mixhop import MixHop
from gnnlab.ops import propagate
from gnnlab.testing import sample
from tests.graphs import one_graph

BATCH = sample().batch()
X = torch.randn(BATCH.num_nodes, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def dense() -> torch.Tensor:
    weight, root = normalised(BATCH, None, torch.float64)
    assert root is not None
    matrix = torch.diag(root)
    matrix[BATCH.edge_index[1], BATCH.edge_index[0]] = weight
    return matrix


def test_appnp_equals_pyg() -> None:
    ours = APPNP(6, 4, 0.2).double()
    torch.testing.assert_close(ours(X, None, BATCH)[0], PyGAPPNP(4, 0.2)(ours.linear(X), BATCH.edge_index))


def test_appnp_tends_to_personalised_pagerank() -> None:
    ours = APPNP(6, 200, 0.2).double()
    inverse = torch.linalg.inv(torch.eye(BATCH.num_nodes, dtype=torch.float64) - 0.8 * dense())
    torch.testing.assert_close(ours(X, None, BATCH)[0], 0.2 * inverse @ ours.linear(X))


def test_appnp_of_no_steps_is_its_linear_map() -> None:
    ours = APPNP(6, 0).double()
    torch.testing.assert_close(ours(X, None, BATCH)[0], ours.linear(X))


def test_gcnii_equals_pyg() -> None:
    ours, h = GCNII(6, 3, 0.3, 0.7).double(), X
    for number, layer in enumerate(ours.layers, start=1):
        peer = GCN2Conv(6, 0.3, 0.7, number).double()
        peer.weight1.data.copy_(layer.linear.weight.T)
        h = peer(h, X, BATCH.edge_index).relu()
    torch.testing.assert_close(ours(X, None, BATCH)[0], h)


def test_a_deep_gcnii_tells_nodes_apart_where_plain_propagation_leaves_one_vector() -> None:
    """On a ring of 7: the second singular value of the states beside the first."""
    ring = torch.stack([torch.arange(7), torch.arange(7).roll(1)])
    batch = one_graph(7, torch.cat([ring, ring.flip(0)], 1)).batch()
    torch.manual_seed(0)
    weight, root = normalised(batch, None, X.dtype)
    deep, plain = GCNII(6, 64).double()(X[:7].abs(), None, batch)[0], X[:7].abs()
    for _ in range(64):
        plain = propagate(plain, batch, edge_weight=weight, root=root)
    (first, second), (most, next_) = (torch.linalg.svdvals(states)[:2] for states in (plain, deep))
    assert second < 1e-6 * first
    assert next_ > 0.02 * most


def test_mixhop_equals_pyg() -> None:
    ours, peer = MixHop(6, 2).double(), MixHopConv(6, 2, [0, 1, 2]).double()
    with torch.no_grad():
        ours.bias.copy_(torch.arange(6))
        peer.bias.copy_(ours.bias)
        for lin, weight in zip(peer.lins, ours.linear.weight.split(2), strict=True):
            lin.weight.copy_(weight)
    torch.testing.assert_close(ours(X, None, BATCH)[0], peer(X, BATCH.edge_index))


def test_mixhop_cuts_any_width() -> None:
    assert MixHop(8, 2).widths == [3, 3, 2]
    ours, gcn = MixHop(6, 1).double(), GCN(6).double()
    gcn.linear.load_state_dict({"weight": ours.linear.weight, "bias": ours.bias})
    torch.testing.assert_close(ours(X, None, BATCH)[0][:, 3:], gcn(X, None, BATCH)[0][:, 3:])
