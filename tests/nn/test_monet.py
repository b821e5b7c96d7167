"""MoNet is PyG's `GMMConv` of our pseudo-coordinates, and a sum of neighbours where its kernels are flat."""

import torch
from torch_geometric.nn import GMMConv

from gnnlab.nn.conv.monet import MoNet, inverse_roots
from gnnlab.testing import sample

BATCH = sample().batch()
X = torch.randn(BATCH.num_nodes, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ENDS = inverse_roots(BATCH, None, torch.float64)


def test_pseudo_coordinates() -> None:
    degrees = BATCH.rowptr.diff().double()
    source, target = BATCH.edge_index
    torch.testing.assert_close(ENDS[:, 0], (degrees[source] + 1) ** -0.5)
    torch.testing.assert_close(ENDS[:, 1], (degrees[target] + 1) ** -0.5)


def test_equals_pyg() -> None:
    ours, peer = MoNet(6).double(), GMMConv(6, 6, dim=2, kernel_size=3, aggr="add").double()
    with torch.no_grad():
        ours.sharpness.uniform_(0.5, 2.0)
        ours.linear.bias.copy_(torch.arange(6))
        peer.mu.copy_(ours.mean[:, 0])
        peer.sigma.copy_(ours.sharpness[:, 0].reciprocal())
        peer.g.copy_(ours.linear.weight.unflatten(1, (3, 6)).permute(2, 1, 0).flatten(1))
        peer.root.weight.zero_()
        peer.bias.copy_(ours.linear.bias)
    pseudo = ours.project(ENDS).tanh().detach()
    torch.testing.assert_close(ours(X, None, BATCH)[0], peer(X, BATCH.edge_index, pseudo))


def test_flat_kernels_sum_the_neighbours() -> None:
    conv = MoNet(6).double()
    conv.sharpness.data.zero_()
    matrix = torch.zeros(BATCH.num_nodes, BATCH.num_nodes, dtype=torch.float64)
    matrix[BATCH.edge_index[1], BATCH.edge_index[0]] = 1
    torch.testing.assert_close(conv(X, None, BATCH)[0], conv.linear((matrix @ X).repeat(1, 3)))
