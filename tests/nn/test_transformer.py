"""Attention along edges in closed form, and what its weights mean."""

import torch
from torch.testing import assert_close

from gnnlab.nn.conv.transformer import Transformer
from gnnlab.testing import sample


def test_it_is_masked_softmax_attention() -> None:
    torch.manual_seed(0)
    batch, conv = sample().batch(), Transformer(8, num_heads=2, self_loops=True).double()
    x = torch.randn(batch.num_nodes, 8, dtype=torch.float64)
    query, key, value = (part(x).unflatten(1, (2, 4)) for part in (conv.query, conv.key, conv.value))
    neighbours = torch.eye(batch.num_nodes)
    neighbours[batch.edge_index[1], batch.edge_index[0]] = 1
    scores = torch.einsum("ihc,jhc->ijh", query, key) / 2
    alpha = scores.masked_fill(neighbours[..., None] == 0, -torch.inf).softmax(1)
    assert_close(conv(x, None, batch)[0], torch.einsum("ijh,jhc->ihc", alpha, value).flatten(1))


def test_an_edge_of_weight_0_is_removed_and_a_weight_counts_as_copies() -> None:
    torch.manual_seed(0)
    graphs, conv = sample(), Transformer(8, num_heads=2, self_loops=False).double()
    batch = graphs.batch()
    x = torch.randn(batch.num_nodes, 8, dtype=torch.float64)
    ones = torch.ones(batch.num_edges, dtype=torch.float64)
    assert_close(conv(x, None, batch, ones)[0], conv(x, None, batch)[0])
    nothing, _ = conv(x, None, batch, 0 * ones)
    assert_close(nothing, torch.zeros_like(nothing))
