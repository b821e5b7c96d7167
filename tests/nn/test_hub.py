"""A virtual node that is a node: its graphs are those packed by hand, it joins all pairs, and nothing else sees it."""

from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.head import Flat
from gnnlab.nn.hub import Joined
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import (
    assert_batch_independent,
    assert_finite_with_gradients,
    assert_padding_changes_nothing,
    assert_permutation_equivariant,
    graphs_of_all_kinds,
    sample,
    sample_spec,
)

BLIND = GraphSpec("blind", "node", "regression", 1, "mae", Feature.continuous(1))


def make(virtual_node: Any, level: Any = "graph", conv: Any = GatedGCN, **options: Any) -> MPNN:
    torch.manual_seed(0)
    return MPNN(sample_spec(level), [], conv, Flat, hidden_dim=16, num_layers=3, virtual_node=virtual_node, **options)


def with_hub(graph: Data, alone: bool) -> Data:
    n = int(graph.num_nodes or 0)
    there = torch.stack([torch.arange(n), torch.full((n,), n)])
    own = torch.empty(2, 0, dtype=torch.long) if alone else graph.edge_index
    return Data(edge_index=torch.cat([own, there, there.flip(0)], 1), num_nodes=n + 1)


@pytest.mark.parametrize("alone", [False, True])
def test_the_batch_is_that_of_graphs_with_a_node_more(alone: bool) -> None:
    graphs = graphs_of_all_kinds()
    batch = Packed.from_graphs(graphs).batch()
    found, expected = Joined.of(batch, alone), Packed.from_graphs([with_hub(graph, alone) for graph in graphs]).batch()
    for name in ("edge_index", "ptr", "batch", "rowptr", "colptr", "transpose", "out_target", "max_nodes"):
        torch.testing.assert_close(getattr(found.batch, name), getattr(expected, name), msg=name)
    values = torch.arange(batch.num_nodes + batch.num_graphs)
    assert torch.equal(values[found.row][found.place], torch.arange(batch.num_nodes))
    source, target = found.batch.edge_index
    assert (found.row[target[found.edge == batch.num_edges]] >= batch.num_nodes).all()
    assert (found.row[source[found.edge == batch.num_edges + 1]] >= batch.num_nodes).all()
    ends = torch.stack([found.row[source], found.row[target]])[:, found.edge < batch.num_edges]
    assert torch.equal(ends, batch.edge_index[:, found.edge[found.edge < batch.num_edges]])


@pytest.mark.parametrize("virtual_node", ["node", "only"])
@pytest.mark.parametrize("conv", [GatedGCN, GCN])
def test_laws(virtual_node: str, conv: type) -> None:
    graphs = sample()
    assert_permutation_equivariant(make(virtual_node, "node", conv), graphs, node_level=True)
    assert_batch_independent(make(virtual_node, conv=conv), graphs)
    assert_finite_with_gradients(make(virtual_node, conv=conv, dropout=0.1), graphs)
    assert_padding_changes_nothing(make(virtual_node, conv=conv), graphs)


@pytest.mark.parametrize("virtual_node", ["node", "only"])
def test_two_layers_join_all_nodes_and_those_out_of_reach_alike(virtual_node: Any) -> None:
    """∂y_0/∂x_j on a ring of 12 nodes, after two layers: messages reach two steps, the virtual node all others."""
    torch.manual_seed(0)
    model = MPNN(BLIND, [], GCN, Flat, hidden_dim=8, num_layers=2, act="silu", virtual_node=virtual_node)
    ring = torch.stack([torch.arange(12), torch.arange(12).roll(1)])
    graph = Data(edge_index=torch.cat([ring, ring.flip(0)], 1), num_nodes=12, x=torch.ones(12, 1))
    batch = Packed.from_graphs([graph, graph]).batch()
    x = batch.node["x"] = torch.ones(24, 1, dtype=torch.float64, requires_grad=True)
    (reach,) = torch.autograd.grad(model.double().eval()(batch)[0].sum(), x)
    near, far, other = reach[[10, 11, 0, 1, 2], 0], reach[3:10, 0], reach[12:, 0]
    assert not other.any()
    assert far[0].abs() > 1e-6
    torch.testing.assert_close(far, far[:1].expand(7))
    near = near[2:3] if virtual_node == "only" else near
    assert (near - far[0]).abs().min() > 1e-6


def test_without_its_edges_it_is_the_plain_stack() -> None:
    """GatedGCN's gates shut on the edges of the virtual node, in both directions."""
    plain, model = make("none").double().eval(), make("node").double().eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    model.virtual_node.edges.data.fill_(-1e6)
    for layer in (*plain.layers, *model.layers):
        torch.nn.init.eye_(layer.conv.edges.weight)
        torch.nn.init.zeros_(layer.conv.edges.bias)
    batch = sample().batch()
    torch.testing.assert_close(model(batch), plain(batch))


def test_every_parameter_has_a_gradient() -> None:
    model = make("node")
    model(sample().batch()).square().sum().backward()
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if "edge_norm" not in name)


def test_a_gate_weighs_the_edges_of_the_data_alone() -> None:
    """Shut on all of them, it leaves those of the virtual node."""
    only, model = make("only", conv=GCN).eval(), make("node", conv=GCN).eval()
    model.load_state_dict(only.state_dict())
    batch, seen = sample().batch(), []

    def shut(layer: int, x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x.new_zeros(batch.num_edges)

    model.gate = lambda _: shut
    torch.testing.assert_close(model(batch), only(batch))
    assert [len(x) for x in seen] == [batch.num_nodes] * 3
