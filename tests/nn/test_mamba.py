"""Mamba: S6 against the equations written out, its parameters, packed sequences, both directions, and the order."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad, silu, softplus

from gnnlab.batch import Batch
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.mixer.mamba import S6, Mamba, Sequences
from gnnlab.nn.order import by_degree, inverse, lexsort
from gnnlab.packed import Packed
from gnnlab.testing import graphs_of_all_kinds, permuted, sample
from tests.graphs import one_graph


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(0)
    return Packed.from_graphs([graph for graph in graphs_of_all_kinds() if graph.num_nodes != 400]).batch()


def written_out(layer: S6, u: Tensor) -> Tensor:
    """The equations of S6 for one sequence [L, d]."""
    a, z = (u @ layer.inside.weight.T).chunk(2, 1)
    kernel = layer.kernel.flip(0).T[:, None]
    a = silu(conv1d(pad(a.T[None], (len(layer.kernel) - 1, 0)), kernel, layer.kernel_bias, groups=a.shape[1])[0].T)
    delta, B, C = (a @ layer.select.weight.T).split(layer.sizes, 1)
    delta = softplus(layer.step(delta))
    state, rows, A = torch.zeros_like(layer.log_A), [], -layer.log_A.exp()
    for t in range(len(u)):
        state = (delta[t, :, None] * A).exp() * state + (delta[t] * a[t])[:, None] * B[t]
        rows.append(state @ C[t] + layer.D * a[t])
    return (torch.stack(rows) * silu(z)) @ layer.outside.weight.T


@pytest.mark.parametrize("reverse", [False, True])
def test_equals_the_equations_on_every_graph_alone(batch: Batch, reverse: bool) -> None:
    layer = S6(12, states=5, expand=2, reverse=reverse).double()
    x = torch.randn(batch.num_nodes, 12, dtype=torch.float64)
    out = layer(x, Sequences.of(batch))
    for first, last in pairwise(batch.ptr):
        alone = x[first:last].flip(0) if reverse else x[first:last]
        expected = written_out(layer, alone)
        torch.testing.assert_close(out[first:last], expected.flip(0) if reverse else expected)


def test_published_counts() -> None:
    """Of one direction, and of the attention that it stands in for."""
    assert sum(parameter.numel() for parameter in S6(96).parameters()) == 34_080
    assert sum(parameter.numel() for parameter in Attention(96).parameters()) == 37_248


def test_steps_start_between_a_thousandth_and_a_tenth() -> None:
    torch.manual_seed(0)
    steps = softplus(S6(512).step.bias).detach()
    assert 0.999e-3 < float(steps.min()) < 2e-3
    assert 0.05 < float(steps.max()) < 0.1001


def test_the_convolution_starts_as_torch_has_it() -> None:
    torch.manual_seed(0)
    layer, twin = S6(512), torch.nn.Conv1d(512, 512, 4, groups=512)
    assert twin.bias is not None
    for ours, torchs in ((layer.kernel, twin.weight), (layer.kernel_bias, twin.bias)):
        torch.testing.assert_close(ours.detach().std(), torchs.detach().std(), rtol=0.1, atol=0)
        assert 0.45 < float(ours.detach().abs().max()) <= 0.5


def test_reversed_input_gives_reversed_output_where_both_directions_have_the_same_weights(batch: Batch) -> None:
    mixer = Mamba(12).double()
    forward, backward = mixer.directions
    backward.load_state_dict(forward.state_dict())
    sequences = Sequences.of(batch)
    x = torch.randn(batch.num_nodes, 12, dtype=torch.float64)
    mirror = batch.ptr[batch.batch] + sequences.after
    torch.testing.assert_close(mixer.scan(x[mirror], sequences), mixer.scan(x, sequences)[mirror])


def test_lexsort_is_stable_and_inverse_undoes_it() -> None:
    first, second = torch.tensor([1, 0, 1, 0, 1, 0]), torch.tensor([5, 2, 5, 2, 3, 1])
    order = lexsort(first, second)
    assert order.tolist() == [5, 1, 3, 4, 0, 2]
    assert order[inverse(order)].tolist() == inverse(order)[order].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_nodes_stand_by_degree_within_their_graph(batch: Batch, seed: int | None) -> None:
    order = by_degree(batch, None if seed is None else torch.tensor([seed]))
    assert order.sort()[0].tolist() == list(range(batch.num_nodes))
    assert torch.equal(batch.batch[order], batch.batch)
    for first, last in pairwise(batch.ptr):
        degrees = batch.rowptr.diff()[order[first:last]]
        assert (degrees.diff() >= 0).all()


def test_only_equal_degrees_are_shuffled_and_each_order_is_as_frequent() -> None:
    path = Packed.from_tensors(  # degrees 1, 2, 2, 2, 1
        torch.tensor([5]), torch.tensor([8]), torch.tensor([[0, 1, 2, 3, 1, 2, 3, 4], [1, 2, 3, 4, 0, 1, 2, 3]])
    ).batch()
    found = torch.stack([by_degree(path, torch.tensor([seed])) for seed in range(600)])
    assert {tuple(row) for row in found[:, :2].tolist()} == {(0, 4), (4, 0)}
    inner, counts = found[:, 2:].unique(dim=0, return_counts=True)
    assert len(inner) == 6
    assert (counts - 100).abs().max() < 40


def test_distinct_keys_make_it_permutation_equivariant() -> None:
    """A multigraph whose in-degrees all differ, under any renumbering."""
    torch.manual_seed(0)
    target = torch.arange(12).repeat_interleave(torch.arange(12))
    edges = torch.stack([torch.randint(12, (len(target),)), target])
    graphs = one_graph(12, edges)
    moved, order = permuted(graphs)
    assert not torch.equal(order, torch.arange(12))
    mixer, x = Mamba(8).double().eval(), torch.randn(12, 8, dtype=torch.float64)
    torch.testing.assert_close(mixer(x[order], moved.batch()), mixer(x, graphs.batch())[order])


def test_evaluation_is_the_mean_of_fixed_shuffles_and_training_draws_new_ones() -> None:
    torch.manual_seed(0)
    batch = sample().batch()
    mixer, x = Mamba(8, draws=3).double(), torch.randn(batch.num_nodes, 8, dtype=torch.float64)
    assert not torch.equal(mixer(x, batch), mixer(x, batch))
    sequences = Sequences.of(batch)
    draws = [mixer.along(by_degree(batch, torch.tensor([draw])), x, sequences) for draw in range(3)]
    torch.testing.assert_close(mixer.eval()(x, batch), sum(draws) / 3)
