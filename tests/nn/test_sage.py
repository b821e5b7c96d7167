"""GraphSAGE is PyG's `SAGEConv` where that has it, and a maximum over no neighbours is 0."""

import pytest
import torch
from torch_geometric.nn import SAGEConv

from gnnlab.nn.conv.sage import SAGE
from gnnlab.testing import sample

BATCH = sample().batch()
X = torch.randn(BATCH.num_nodes, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("l2", [False, True])
@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_equals_pyg(reduce: str, l2: bool) -> None:
    ours, peer = SAGE(6, reduce, l2).double(), SAGEConv(6, 6, reduce, l2, project=reduce == "max").double()
    with torch.no_grad():
        peer.lin_r.weight.copy_(ours.linear.weight[:, :6])
        peer.lin_l.weight.copy_(ours.linear.weight[:, 6:])
        peer.lin_l.bias.copy_(ours.linear.bias)
    if ours.pool is not None:
        peer.lin.load_state_dict(ours.pool.state_dict())
    torch.testing.assert_close(ours(X, None, BATCH)[0], peer(X, BATCH.edge_index))


@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_a_node_without_neighbours_keeps_its_own_term(reduce: str) -> None:
    conv = SAGE(6, reduce).double()
    alone = BATCH.rowptr.diff() == 0
    assert alone.any()
    expected = X[alone] @ conv.linear.weight[:, :6].T + conv.linear.bias
    torch.testing.assert_close(conv(X, None, BATCH)[0][alone], expected)


def test_a_mean_is_one_of_the_weights() -> None:
    conv = SAGE(6).double()
    weight = torch.rand(BATCH.num_edges, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    twice = torch.full_like(weight, 2.0)
    torch.testing.assert_close(conv(X, None, BATCH, twice)[0], conv(X, None, BATCH)[0])
    matrix = torch.zeros(BATCH.num_nodes, BATCH.num_nodes, dtype=torch.float64)
    matrix[BATCH.edge_index[1], BATCH.edge_index[0]] = weight
    mean = matrix @ X / matrix.sum(1, keepdim=True).clamp(min=1e-300)
    torch.testing.assert_close(conv(X, None, BATCH, weight)[0], conv.linear(torch.cat([X, mean], 1)))


def test_a_row_of_zeros_has_no_length_and_still_a_gradient() -> None:
    conv = SAGE(6, l2=True).double()
    x = torch.zeros_like(X, requires_grad=True)
    conv.linear.bias.data.zero_()
    conv(x, None, BATCH)[0].sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
