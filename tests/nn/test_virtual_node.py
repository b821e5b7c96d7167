"""A virtual node keeps the laws, is nothing where it says nothing, and joins any two nodes of a graph in two layers."""

from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from gnnlab.errors import UsageError
from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.head import Flat
from gnnlab.ops.flops import flops_per_graph
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import (
    assert_batch_independent,
    assert_finite_with_gradients,
    assert_padding_changes_nothing,
    assert_permutation_equivariant,
    sample,
    sample_spec,
)

BLIND = GraphSpec("blind", "node", "regression", 1, "mae", Feature.continuous(1))


def make(virtual_node: Any, level: Any = "graph", **options: Any) -> MPNN:
    torch.manual_seed(0)
    return MPNN(sample_spec(level), [], GINE, Flat, hidden_dim=16, num_layers=3, virtual_node=virtual_node, **options)


@pytest.mark.parametrize("virtual_node", ["sum", "mean"])
def test_laws(virtual_node: str) -> None:
    graphs = sample()
    assert_permutation_equivariant(make(virtual_node, "node"), graphs, node_level=True)
    assert_batch_independent(make(virtual_node), graphs)
    assert_finite_with_gradients(make(virtual_node, dropout=0.1), graphs)
    assert_padding_changes_nothing(make(virtual_node), graphs)


@pytest.mark.parametrize("virtual_node", ["sum", "mean", "node", "only"])
def test_a_model_without_layers_is_refused(virtual_node: Any) -> None:
    with pytest.raises(UsageError, match=f"model.virtual_node={virtual_node} is read by layers"):
        MPNN(sample_spec("graph"), [], GINE, Flat, hidden_dim=16, num_layers=0, virtual_node=virtual_node)


def test_one_that_says_nothing_changes_nothing() -> None:
    plain, model = make("none").eval(), make("sum").eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        for update in model.virtual_node.updates:
            update.norms[-1].weight.zero_()
    batch = sample().batch()
    torch.testing.assert_close(model(batch), plain(batch))


def test_every_parameter_has_a_gradient() -> None:
    model = make("sum")
    model(sample().batch()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_its_flops_are_counted() -> None:
    graphs = [sample().batch()]
    assert flops_per_graph(make("sum"), graphs) > flops_per_graph(make("none"), graphs)


@pytest.mark.parametrize("virtual_node", ["sum", "mean"])
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
    assert (near - far[0]).abs().min() > 1e-6
