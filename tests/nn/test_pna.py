"""PNA is PyG's `PNAConv` but for its deviation, and closed forms of its scalers."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import PNAConv

from gnnlab.errors import UsageError
from gnnlab.nn.conv.pna import PNA, mean_log_degree
from gnnlab.testing import sample, sample_spec
from tests.graphs import one_graph

BATCH = sample().batch()
DEGREES = tuple(torch.bincount(BATCH.rowptr.diff()).tolist())
SPEC = replace(sample_spec("graph"), in_degrees=DEGREES)


def states(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, E = states(BATCH.num_nodes, 0), states(BATCH.num_edges, 1)


def copy_into(peer: PNAConv, ours: PNA, towers: int) -> None:
    """Our weights, in PyG's order: mean, min, max, std under each of three scalers."""
    c = 6 // towers
    for tower in range(towers):
        mine, pre, post = slice(tower * c, (tower + 1) * c), peer.pre_nns[tower][0], peer.post_nns[tower][0]
        pre.weight.copy_(torch.cat([ours.target.weight[tower].T, ours.source.weight[tower].T, torch.eye(c)], 1))
        pre.bias.zero_()
        post.weight[:, :c].copy_(ours.own.weight[tower].T)
        post.weight[:, c:].copy_(ours.around.weight[tower].unflatten(1, (3, c)).permute(2, 1, 0).flatten(1))
        post.bias.copy_(ours.bias[mine])
    peer.lin.load_state_dict(ours.mix.state_dict())


@pytest.mark.parametrize("towers", [1, 3])
def test_equals_pyg_where_deviations_are_left_out(towers: int) -> None:
    """PyG's deviation is not the paper's; it divides each tower's edges alike: so one map of edges for all."""
    ours = PNA(6, SPEC, towers).double()
    peer = PNAConv(
        6, 6, ["mean", "min", "max", "std"], ["identity", "amplification", "attenuation"], torch.tensor(DEGREES),
        edge_dim=6, towers=towers, divide_input=True,
    ).double()  # fmt: skip
    c = 6 // towers
    with torch.no_grad():
        ours.around.weight[:, 3 * c :].zero_()
        ours.bias.copy_(torch.arange(6))
        ours.edge.weight.copy_(ours.edge.weight[:c].repeat(towers, 1))
        ours.edge.bias.copy_(ours.edge.bias[:c].repeat(towers))
        copy_into(peer, ours, towers)
        peer.edge_encoder.weight.copy_(ours.edge.weight[:c])
        peer.edge_encoder.bias.copy_(ours.edge.bias[:c])
        peer.aggr_module.avg_deg_log.fill_(ours.delta)  # was rounded to float32
    torch.testing.assert_close(ours(X, E, BATCH)[0], peer(X, BATCH.edge_index, E))


def test_the_deviation_is_that_of_the_messages() -> None:
    conv = PNA(6, SPEC).double()
    with torch.no_grad():
        for weight in (conv.own.weight, conv.around.weight, conv.target.weight, conv.source.weight):
            weight.zero_()
        conv.around.weight[0, 18:, :6] = torch.eye(6)
        for linear in (conv.edge, conv.mix):
            linear.weight.copy_(torch.eye(6))
            linear.bias.zero_()
    out = conv(X, E, BATCH)[0]
    node = int(BATCH.rowptr.diff().argmax())
    messages = E[BATCH.rowptr[node] : BATCH.rowptr[node + 1]]
    torch.testing.assert_close(out[node], (messages.var(0, correction=0) + 1e-5).sqrt())


def test_the_two_scalers_are_inverse_and_1_on_a_regular_graph() -> None:
    ring = torch.stack([torch.arange(7), torch.arange(7).roll(1)])
    batch = one_graph(7, ring).batch()
    assert mean_log_degree((0, 7)) == math.log(2)
    conv = PNA(6, replace(SPEC, in_degrees=(0, 7))).double()
    plain, _ = conv(X[:7], E[:7], batch)
    with torch.no_grad():
        weight = conv.around.weight.unflatten(2, (3, 6))
        weight[:, :, 0], weight[:, :, 1:] = weight.sum(2), 0.0
    torch.testing.assert_close(conv(X[:7], E[:7], batch)[0], plain)


def test_degrees_nobody_knows_are_scaled_by_1() -> None:
    assert mean_log_degree(()) == mean_log_degree((5,)) == 1.0
    assert mean_log_degree((0, 3, 1)) == pytest.approx((3 * math.log(2) + math.log(3)) / 4)


def test_a_node_without_neighbours_keeps_its_own_term() -> None:
    conv = PNA(6, SPEC, 2).double()
    alone = BATCH.rowptr.diff() == 0
    expected = conv.mix(conv.own(X) + conv.bias)[alone]
    torch.testing.assert_close(conv(X, E, BATCH)[0][alone], expected)


def test_a_weight_of_two_is_an_edge_twice() -> None:
    conv, edges = PNA(6, SPEC).double(), torch.tensor([[1, 2, 3], [0, 0, 0]])
    once, twice = one_graph(4, edges).batch(), edges[:, [0, 1, 1, 2]]
    weight = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)
    expected, _ = conv(X[:4], E[[0, 1, 1, 2]], one_graph(4, twice).batch())
    torch.testing.assert_close(conv(X[:4], E[:3], once, weight)[0], expected)


def test_towers_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"hidden_dim=6 is not a multiple of model\.conv\.towers=4"):
        PNA(6, SPEC, 4)
