"""Soft edge weights: mean 1 and standard deviation 0.01 in every graph, from predicted labels."""

import torch
from torch.testing import assert_close

from gnnlab.aggregation.proxy import LabelProxy, standardised
from gnnlab.testing import permuted, sample, sample_spec


def test_mean_and_standard_deviation_in_every_graph() -> None:
    value = 100 + torch.randn(90, generator=torch.Generator().manual_seed(0))
    owner = torch.arange(3).repeat_interleave(torch.tensor([20, 30, 40]))
    weight = standardised(value, owner, 4)
    for graph in range(3):
        assert_close(weight[owner == graph].double().mean(), torch.ones(()).double(), atol=1e-6, rtol=0)
        assert_close(weight[owner == graph].std(correction=0), torch.tensor(0.01), rtol=1e-4, atol=0)
        assert torch.equal(weight[owner == graph].argsort(), value[owner == graph].argsort())


def test_rows_that_are_alike_are_ones_and_have_a_gradient() -> None:
    """Up to rounding, too: noise is not blown up."""
    value = torch.full((50,), 0.3) * (1 + 1e-7 * torch.randn(50, generator=torch.Generator().manual_seed(0)))
    value = torch.cat([value, torch.zeros(5), torch.ones(1)]).requires_grad_()
    owner = torch.tensor([0] * 50 + [1] * 5 + [2])
    weight = standardised(value, owner, 3)
    assert torch.equal(weight, torch.ones(56))
    weight.sum().backward()
    assert value.grad is not None
    assert value.grad.isfinite().all()


def test_no_edges() -> None:
    assert standardised(torch.zeros(0), torch.zeros(0, dtype=torch.long), 2).shape == (0,)


def test_at_first_all_classes_fit_together() -> None:
    """P = 1, so w_ij = (Σ_c z_i[c]) (Σ_c z_j[c])."""
    batch, proxy = sample().batch(), LabelProxy(sample_spec("node")).double()
    z = proxy.mlp(proxy.features(batch.x, batch.num_nodes).relu()).sum(-1)
    source, target = batch.edge_index
    wanted = standardised(z[source] * z[target], batch.batch[target], batch.num_graphs)
    assert_close(proxy(batch), wanted)


def test_pattern_weighs_classes_of_the_two_ends() -> None:
    """The row of P is the class of the source, and the column that of the destination; negative entries count as 0."""
    batch, proxy = sample().batch(), LabelProxy(sample_spec("node")).double()
    proxy.pattern.data = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double()
    z = proxy.mlp(proxy.features(batch.x, batch.num_nodes).relu())
    source, target = batch.edge_index
    fit = torch.einsum("ec,dc,ed->e", z[target], (2 * proxy.pattern).relu(), z[source])
    assert_close(proxy(batch), standardised(fit, batch.batch[target], batch.num_graphs))


def test_weights_belong_to_edges_and_to_their_graph() -> None:
    graphs, proxy = sample(), LabelProxy(sample_spec("node")).double()
    moved, order = permuted(graphs)
    ends = {
        tuple(edge): weight for edge, weight in zip(graphs.edge_index.T.tolist(), proxy(graphs.batch()), strict=True)
    }
    for edge, weight in zip(order[moved.edge_index].T.tolist(), proxy(moved.batch()), strict=True):
        assert_close(weight, ends[tuple(edge)])
    alone = [proxy(graphs.batch(i, i + 1)) for i in range(graphs.num_graphs)]
    assert_close(proxy(graphs.batch()), torch.cat(alone))
