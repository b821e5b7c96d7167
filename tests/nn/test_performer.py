"""Linear attention: the features estimate softmax attention without bias; the published parameter count."""

from functools import partial

import torch

from gnnlab.models.gps import GPS
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.head import Flat
from gnnlab.nn.mixer.performer import Performer, orthogonal_directions
from gnnlab.ops import attention
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import graphs_of_all_kinds, one_batch


def test_more_features_come_nearer_to_softmax_attention() -> None:
    torch.manual_seed(0)
    batch = one_batch(graphs_of_all_kinds())
    x, errors = torch.randn(batch.num_nodes, 16), []
    for features in (16, 256, 4096):
        mixer = Performer(16, 2, features=features)
        torch.nn.init.eye_(mixer.out.weight)
        torch.nn.init.zeros_(mixer.out.bias)
        exact = attention(mixer.qkv(x), batch, 2)
        errors.append(float((mixer(x, batch) - exact).detach().square().mean().sqrt()))
    assert errors[1] < errors[0] / 2
    assert errors[2] < 0.02 < errors[0]


def test_one_node_attends_to_itself() -> None:
    batch = one_batch(graphs_of_all_kinds()[:1])
    mixer, x = Performer(16, 4), torch.randn(1, 16)
    torch.testing.assert_close(mixer(x, batch), mixer.out(mixer.qkv(x)[:, 32:]))


def test_large_entries_stay_finite() -> None:
    batch = one_batch(graphs_of_all_kinds())
    mixer, x = Performer(16, 4), (100 * torch.randn(batch.num_nodes, 16)).requires_grad_()
    out = mixer(x, batch)
    out.sum().backward()
    assert out.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_directions_of_a_block_are_orthogonal() -> None:
    rows = torch.nn.functional.normalize(orthogonal_directions(44, 16))
    for block in rows.split(16):
        torch.testing.assert_close(block @ block.t(), torch.eye(len(block)), rtol=0, atol=1e-5)


def test_published_count_on_malnet_tiny() -> None:
    """Its heads are as wide as the layer. The release normalises the five degree statistics that it reads, in place of
    a bias: 64 parameters more.
    """
    spec = GraphSpec("malnet_tiny", "graph", "multiclass", 5, "accuracy", Feature.continuous(5))
    model = GPS(spec, [], GatedGCN, partial(Performer, num_heads=4, head_dim=64), partial(Flat, layers=3), 64, 5)
    assert sum(parameter.numel() for parameter in model.parameters()) + 64 == 527_237
