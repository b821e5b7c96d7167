"""Masks of tokens, heads and layers in single layers: what they leave out is as good as not there."""

import pytest
import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.models.graph_transformer import GraphTransformerLayer
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.mixer.performer import Performer
from gnnlab.ops.attention import pair_ptr
from gnnlab.packed import Packed
from gnnlab.sparsifiers.gtsp.select import highest
from gnnlab.sparsifiers.gtsp.switches import HeadMask, LayerMask, Skip, Switch, leave_together
from gnnlab.sparsifiers.gtsp.tokens import TokenMask
from gnnlab.testing import graphs_of_all_kinds, sample

DIM = 12


def given(bias: bool = False) -> tuple[Batch, Tensor, Tensor | None]:
    graphs = graphs_of_all_kinds()
    batch = Packed.from_graphs([graph for graph in graphs if (graph.num_nodes or 0) < 400]).batch()
    torch.manual_seed(1)
    x = torch.randn(batch.num_nodes, DIM, dtype=torch.float64)
    return batch, x, torch.randn(int(pair_ptr(batch)[-1]), 3, dtype=torch.float64) if bias else None


def selecting(keep: float, first_stays: bool = False) -> Attention:
    torch.manual_seed(0)
    attention = Attention(DIM, 3).double()
    nn.init.normal_(attention.out.bias)
    attention.token_mask = TokenMask(DIM, first_stays).double()
    nn.init.normal_(attention.token_mask.weight)
    attention.token_mask.keep.fill_(keep)
    return attention


@pytest.mark.parametrize("bias", [False, True])
def test_a_share_of_one_is_plain_attention(bias: bool) -> None:
    batch, x, scores = given(bias)
    attention = selecting(1.0)
    assert torch.equal(attention(x, batch, scores), attention.read(x, batch, scores))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("first_stays", [False, True])
def test_chosen_tokens_attend_to_each_other_as_if_alone(bias: bool, first_stays: bool) -> None:
    batch, x, scores = given(bias)
    attention = selecting(0.4, first_stays).eval()
    out = attention(x, batch, scores)
    chosen = highest(x @ attention.token_mask.weight, batch, 0.4, first_stays)
    assert not out[~chosen].any()
    pairs = pair_ptr(batch)
    for graph in range(batch.num_graphs):
        begin, end = (int(p) for p in batch.ptr[graph : graph + 2])
        inside = chosen[begin:end]
        own = None if scores is None else scores[pairs[graph] : pairs[graph + 1]].view(end - begin, end - begin, 3)
        among = None if own is None else own[inside][:, inside].flatten(0, 1)
        small = Packed.from_tensors(inside.sum()[None], torch.tensor([0]), torch.empty(2, 0, dtype=torch.long)).batch()
        torch.testing.assert_close(out[begin:end][inside], attention.read(x[begin:end][inside], small, among))


@pytest.mark.parametrize("bias", [False, True])
def test_what_is_trained_is_what_is_evaluated(bias: bool) -> None:
    """The weighting of all tokens by the mask, through which gradients flow, equals attention among the chosen."""
    batch, x, scores = given(bias)
    attention = selecting(0.4)
    attention.token_mask.learns, attention.token_mask.noise = True, False
    torch.testing.assert_close(attention(x, batch, scores), attention.eval()(x, batch, scores))


def test_gradients_reach_the_scores_through_tokens_that_are_left_out() -> None:
    batch, x, _ = given()
    attention = selecting(0.4)
    attention.token_mask.learns = True
    out = attention(x, batch)
    out.backward(torch.randn_like(out))
    assert attention.token_mask.weight.grad.isfinite().all()
    assert attention.token_mask.weight.grad.abs().min() > 0


def test_training_draws_and_evaluation_does_not() -> None:
    batch, x, _ = given()
    attention = selecting(0.4)
    attention.token_mask.learns = True
    assert not torch.equal(attention(x, batch), attention(x, batch))
    attention.eval()
    assert torch.equal(attention(x, batch), attention(x, batch))


def headed(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "edges":
        return GraphTransformerLayer(DIM, 3, 0.0, edges=True).double().eval()
    made = Attention(DIM, 3) if kind == "attention" else Performer(DIM, 3)
    nn.init.normal_(made.out.bias)
    return made.double().eval()


def states(kind: str, module: nn.Module) -> tuple[Tensor, ...]:
    batch, x, _ = given()
    if kind == "edges":
        return module(x, torch.ones(batch.num_edges, DIM, dtype=x.dtype).cumsum(0) / 50, batch)
    return (module(x, batch),)


@pytest.mark.parametrize("kind", ["attention", "performer", "edges"])
@pytest.mark.parametrize("alive", [[0], [2], [0, 2], [0, 1, 2]])
def test_a_dead_head_equals_a_deleted_one(kind: str, alive: list[int]) -> None:
    module = headed(kind)
    whole = states(kind, module)
    module.head_mask = HeadMask(3)
    module.head_mask.on.copy_(torch.tensor([head in alive for head in range(3)]))
    masked = states(kind, module)
    module.head_mask = None
    module.keep_heads(torch.tensor(alive))
    for one, other, all_ in zip(masked, states(kind, module), whole, strict=True):
        torch.testing.assert_close(one, other)
        assert torch.allclose(one, all_) == (len(alive) == 3)


def test_a_dead_head_has_no_value_path_left() -> None:
    """Nothing of its rows of the projections, biases among them, reaches the output."""
    batch, x, _ = given()
    module = headed("attention").train()
    module.head_mask = HeadMask(3)
    module.head_mask.on[1] = False
    module(x, batch).square().sum().backward()
    gradient = module.qkv.weight.grad.view(3, 3, DIM // 3, DIM)
    assert not gradient[:, 1].any()
    assert not module.qkv.bias.grad.view(3, 3, -1)[:, 1].any()
    assert gradient[2, [0, 2]].all()


def test_a_bias_loses_the_columns_of_dead_heads() -> None:
    batch, x, scores = given(bias=True)
    module = headed("attention")
    module.head_mask = HeadMask(3)
    module.head_mask.on[0] = False
    masked = module(x, batch, scores)
    module.head_mask = None
    module.keep_heads(torch.tensor([1, 2]))
    torch.testing.assert_close(module(x, batch, scores), masked)


def test_a_switch_matters_by_the_gradient_of_its_gate_graph_by_graph() -> None:
    """Graphs of opposite gradients do not cancel; heads that are off are told too."""
    batch, rows = sample().batch(0, 3), torch.randn(sample().batch(0, 3).num_nodes, 6, dtype=torch.float64)
    mask = HeadMask(3).train()
    mask.on[1], mask.learns = False, True
    side = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)[batch.batch]
    (mask(rows, batch.batch, 3).sum(1) * side).sum().backward()
    heads = torch.zeros(3, 3, dtype=torch.float64).index_add(0, batch.batch, rows.view(-1, 3, 2).sum(2) * side[:, None])
    torch.testing.assert_close(mask.matters, 0.05 * heads.abs().sum(0).float())


def test_those_that_matter_most_are_left_on() -> None:
    one, other = Switch(3), Switch(1)
    one.matters.copy_(torch.tensor([1.0, 3.0, 2.0]))
    other.matters.fill_(1.0)
    leave_together([one, other], 3)
    assert (one.on.tolist(), other.on.tolist()) == ([True, True, True], [False])
    leave_together([one, other], 1)
    assert (one.on.tolist(), other.on.tolist()) == ([False, True, False], [False])


class Twice(nn.Module):
    def forward(self, x: Tensor, e: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None]:
        return 2 * x, e


def test_a_layer_that_is_off_is_not_there() -> None:
    batch, x, _ = given()
    mask = LayerMask(Twice())
    for learns in (False, True):
        mask.learns = learns
        mask.on.fill_(True)
        torch.testing.assert_close(mask(x, None, batch)[0], 2 * x)
        mask.on.fill_(False)
        assert torch.equal(mask(x, None, batch)[0], Skip(2)(x, None, batch)[0])
