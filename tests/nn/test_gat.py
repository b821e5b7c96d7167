"""GAT and GATv2 are PyG's, with loops and without; their weights are multiplicities of edges."""

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv

from gnnlab.errors import UsageError
from gnnlab.nn.conv.gat import GAT
from gnnlab.nn.conv.gatv2 import GATv2
from gnnlab.nn.conv.loops import add_loops
from gnnlab.packed import Packed
from gnnlab.padding import Size, pad
from gnnlab.testing import sample
from tests.graphs import one_graph

BATCH = sample().batch()
ONES = torch.ones(BATCH.num_edges, dtype=torch.float64)


def states(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, E = states(BATCH.num_nodes, 0), states(BATCH.num_edges, 1)


@pytest.mark.parametrize("weight", [None, ONES])
@pytest.mark.parametrize("self_loops", [False, True])
def test_gat_equals_pyg(self_loops: bool, weight: Tensor | None) -> None:
    ours = GAT(8, 4, self_loops).double()
    peer = GATConv(8, 2, 4, add_self_loops=self_loops, bias=False).double()
    with torch.no_grad():
        peer.lin.weight.copy_(ours.linear.weight)
        peer.att_src[0].copy_(ours.source)
        peer.att_dst[0].copy_(ours.target)
    torch.testing.assert_close(ours(X, None, BATCH, weight)[0], peer(X, BATCH.edge_index))


@pytest.mark.parametrize("weight", [None, ONES])
@pytest.mark.parametrize("self_loops", [False, True])
def test_gatv2_equals_pyg(self_loops: bool, weight: Tensor | None) -> None:
    ours = GATv2(8, 4, self_loops).double()
    peer = GATv2Conv(8, 2, 4, add_self_loops=self_loops, edge_dim=8, fill_value=0.0).double()
    with torch.no_grad():
        ours.source.bias.copy_(torch.arange(8))
        peer.lin_l.load_state_dict(ours.source.state_dict())
        peer.lin_r.weight.copy_(ours.target.weight)
        peer.lin_r.bias.zero_()
        peer.bias.zero_()
        peer.lin_edge.weight.copy_(ours.edge.weight)
        peer.att[0].copy_(ours.attention)
    torch.testing.assert_close(ours(X, E, BATCH, weight)[0], peer(X, BATCH.edge_index, E))


@pytest.mark.parametrize("kind", [GAT, GATv2])
def test_weights_of_attention_sum_to_one(kind: type) -> None:
    conv = kind(8, 4).double()
    same = torch.ones_like(X)
    value = same @ (conv.linear if kind is GAT else conv.source).weight.T
    torch.testing.assert_close(conv(same, E, BATCH)[0], value)


@pytest.mark.parametrize("kind", [GAT, GATv2])
def test_a_weight_of_two_is_an_edge_twice(kind: type) -> None:
    conv, x, e = kind(8, 2).double(), X[:4], E[:4]
    edges = torch.tensor([[1, 2, 3], [0, 0, 0]])
    once, twice = one_graph(4, edges).batch(), edges[:, [0, 1, 1, 2]]
    weight = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)
    expected, _ = conv(x, e[[0, 1, 1, 2]], one_graph(4, twice).batch())
    torch.testing.assert_close(conv(x, e[:3], once, weight)[0], expected)


def test_loops_are_those_of_a_graph_that_has_them() -> None:
    """Up to the order of edges out of a node, and into one."""
    batch = sample().batch()
    nodes, edges, graphs, longest = Size.of(batch)
    for one in (batch, pad(batch, Size(nodes + 7, edges + 9, graphs + 2, longest))):
        looped, edge, weight = add_loops(one, E.new_ones(one.num_edges, 2), E.new_full((one.num_edges,), 0.5))
        first = one.ptr[one.batch]
        both = torch.cat([one.edge_index, torch.arange(one.num_nodes).expand(2, -1)], 1)
        owner = one.batch[both[1]]
        order = owner.argsort(stable=True)
        expected = Packed.from_tensors(
            one.ptr.diff(), torch.bincount(owner, minlength=one.num_graphs), (both - first[both])[:, order]
        ).batch()
        assert torch.equal(looped.rowptr, expected.rowptr)
        assert torch.equal(looped.colptr, expected.colptr)
        assert sorted(looped.edge_index.T.tolist()) == sorted(expected.edge_index.T.tolist())
        assert (looped.edge_index[1].diff() >= 0).all()
        leaving = looped.edge_index[:, looped.transpose]
        assert (leaving[0].diff() >= 0).all()
        assert torch.equal(leaving[1], looped.out_target)
        loop = looped.edge_index[0] == looped.edge_index[1]
        assert edge is not None
        assert weight is not None
        if one is batch:
            assert torch.equal(edge[:, 0], 1.0 - loop.double())
        else:
            assert int(looped.real.num_edges) == edges + nodes
        assert weight.sum() == one.num_nodes + 0.5 * one.num_edges


@pytest.mark.parametrize("weight", [None, ONES])
@pytest.mark.parametrize("kind", [GAT, GATv2])
def test_attention_dropout_acts_on_the_weights_in_training(kind: type, weight: Tensor | None) -> None:
    conv = kind(8, 4, attention_dropout=0.5).double()
    plain = kind(8, 4).double()
    plain.load_state_dict(conv.state_dict())
    expected = plain(X, E, BATCH, weight)[0]
    assert torch.equal(conv.eval()(X, E, BATCH, weight)[0], expected)
    torch.manual_seed(0)
    with torch.no_grad():
        mean = torch.stack([conv.train()(X, E, BATCH, weight)[0] for _ in range(1000)]).mean(0)
    torch.testing.assert_close(mean, expected, atol=0.5, rtol=0)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"hidden_dim=70 is not a multiple of model\.conv\.num_heads=8"):
        GAT(70)
