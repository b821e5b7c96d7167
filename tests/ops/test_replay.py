"""A layer that did the same twice is code from then on: the same to the bit, and never of a layer that has changed."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy
from weakref import ref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.checkpoint import checkpoint

from gnnlab import ops
from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.models.gps import GPSLayer
from gnnlab.nn.block import ConvBlock
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.mixer.attention import Attention
from gnnlab.ops import backend
from gnnlab.ops.batchnorm import BatchNorm, synchronised
from gnnlab.ops.linear import Linear
from gnnlab.ops.recorded.one_node import one_node
from gnnlab.padding import Padding
from tests.ops.layers import DIM, LAYERS, assert_same, batch, both, is_replayed, learnt, op_by_op, states, step, x_alone

pytestmark = pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")


@pytest.mark.parametrize("name", LAYERS)
def test_same_to_the_bit_on_batches_of_any_size(name: str) -> None:
    layer = learnt(LAYERS[name]())
    assert_same(layer, batch(), batch(30, 2), batch(3, seed=4), batch(1, 2))
    assert is_replayed(layer)


def test_a_layer_that_runs_something_else_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, calls = learnt(LAYERS["GINE"]()), []
    plain = ConvBlock.forward
    monkeypatch.setattr(ConvBlock, "forward", lambda *given: [calls.append(1), plain(*given)][1])
    step(layer, one_node, batch())
    assert calls
    monkeypatch.undo()
    layer = learnt(LAYERS["GINE"]())
    layer.forward = lambda *given: [calls.append(2), plain(layer, *given)][1]
    for _ in range(4):
        step(layer, one_node, batch())
    assert calls.count(2) == 4


def test_a_shallow_copy_is_another_layer() -> None:
    layer = learnt(LAYERS["GINE"]())
    other = copy(layer)
    other.residual = not layer.residual
    x, e = states(batch())
    assert not torch.equal(one_node(layer, x, e, batch())[0], one_node(other, x, e, batch())[0])


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_different_for_a_single_row_is_not_replayed(name: str) -> None:
    layer = learnt(LAYERS[name]())
    assert not is_replayed(layer, batch(1))
    assert_same(layer, batch(1), batch(), batch(1))


def test_a_padded_batch_is_a_kind_of_its_own() -> None:
    layer = learnt(LAYERS["gps"]())
    padding = Padding([batch(7, 8), batch(20, 30)], 1)
    padded = [padding(batch(*sizes)) for sizes in ((7, 8), (12, 3), (9, 9), (5, 6))]
    assert all(one.is_padded for one in padded)
    assert not is_replayed(layer, padded[0])
    assert_same(layer, *padded)
    assert is_replayed(layer, padded[0])


def test_states_that_need_no_gradient() -> None:
    layer = learnt(LAYERS["GatedGCN"]())
    assert not is_replayed(layer, requires_grad=False)


@pytest.mark.parametrize("first", [both, x_alone])
def test_other_gradients_than_in_the_recordings(first: Callable) -> None:
    layer = LAYERS["GatedGCN"]().train()
    for _ in range(2):
        step(layer, one_node, batch(), first)
    assert is_replayed(layer)
    assert_same(layer, batch(), loss=x_alone)
    assert_same(layer, batch(), loss=both)


def test_single_rows_and_single_edges_are_different_kinds() -> None:
    def graph(nodes: int, edges: int) -> Batch:
        index = torch.arange(edges) % nodes
        return Batch.from_edges(torch.stack([index, index]), nodes)[0]

    layer = LAYERS["GINE"]().train()
    for nodes, edges in ((5, 1), (6, 1), (1, 1), (1, 3), (7, 0), (6, 1)):
        assert_same(layer, graph(nodes, edges))


def test_one_tensor_in_two_roles_is_not_one_for_ever() -> None:
    def sums(x: Tensor, e: Tensor) -> Tensor:
        return (x + e).square().sum()

    def ring(nodes: int) -> Batch:
        index = torch.arange(nodes)
        return Batch.from_edges(torch.stack([index, index.roll(1)]), nodes)[0]

    layer = LAYERS["GatedGCN"]().train()
    assert_same(layer, ring(5), ring(6), loss=sums)
    assert_same(layer, batch(), batch(7, 8))


def test_two_threads() -> None:
    def train(_: int) -> bool:
        layer = LAYERS["gps"]().train()
        for seed in range(20):
            step_alone(layer, batch(5, 6, seed=seed))
        return is_replayed(layer)

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(train, range(4)))


def step_alone(layer: nn.Module, graphs: Batch) -> None:
    x, _ = one_node(layer, *states(graphs), graphs)
    x.sum().backward()


@pytest.mark.parametrize("recordings", [0, 2])
def test_hooks_of_parameters_are_called_as_op_by_op(recordings: int) -> None:
    layer, seen = LAYERS["GatedGCN"]().train(), []
    for _ in range(recordings):
        step(layer, one_node, batch(), x_alone)
    for parameter in layer.parameters():
        parameter.register_hook(lambda grad: seen.append(grad.shape))
    step(layer, one_node, batch(), x_alone)
    called = list(seen)
    step(layer, op_by_op, batch(), x_alone)
    assert sorted(called) == sorted(seen[len(called) :])


def test_hooks_of_all_modules_are_called() -> None:
    layer, seen = learnt(LAYERS["gps"]()), []
    with register_module_forward_hook(lambda module, args, out: seen.append(module)):
        step(layer, one_node, batch())
    assert layer.norm in seen


def test_checkpoints_of_one_layer_used_again_and_again() -> None:
    layer, graphs = LAYERS["GINE"]().train(), batch()
    x, e = states(graphs)
    for _ in range(4):
        x, e = checkpoint(one_node, layer, x, e, graphs, use_reentrant=False)
    x.sum().backward()


def test_transforms_of_functions() -> None:
    layer, graphs = LAYERS["gps"]().eval(), batch()
    x, e = states(graphs, requires_grad=False)
    ours, plain = (
        torch.func.grad(lambda x, run=run: run(layer, x, e, graphs)[0].sum())(x) for run in (one_node, op_by_op)
    )
    torch.testing.assert_close(ours, plain)


def test_a_layer_is_freed_and_its_copies_know_nothing() -> None:
    layer = learnt(LAYERS["gps"]())
    layer.own = [layer]
    copied, there = deepcopy(layer), ref(layer)
    del layer
    gc.collect()
    assert isinstance(copied, GPSLayer)
    assert not is_replayed(copied)
    del copied
    gc.collect()
    assert there() is None


def wider(layer: GPSLayer) -> None:
    layer.feed_forward.linears[0].weight = nn.Parameter(torch.randn(2 * DIM, DIM))


def hooked(layer: GPSLayer) -> None:
    layer.norm.register_forward_hook(lambda module, args, out: out.neg())


def frozen(layer: GPSLayer) -> None:
    layer.norm.requires_grad_(False)


def drier(layer: GPSLayer) -> None:
    layer.feed_forward.dropout.p = 0.7


def forgetful(layer: GPSLayer) -> None:
    layer.norm.register_buffer("running_mean", torch.ones(DIM))


def swapped(layer: GPSLayer) -> None:
    layer.norm = BatchNorm(DIM, eps=0.1)


def evaluated(layer: GPSLayer) -> None:
    layer.norm.eval()


@pytest.mark.parametrize(
    "change", [wider, hooked, frozen, drier, forgetful, swapped, evaluated], ids=lambda f: f.__name__
)
def test_a_layer_that_changed_is_not_what_was_recorded(change: Callable[[GPSLayer], None]) -> None:
    layer = learnt(GPSLayer(DIM, GINE(DIM), Attention(DIM, dropout=0.5), 0.1, "relu"))
    change(layer)
    assert not is_replayed(layer)
    assert_same(layer, batch(), batch(4, 5), batch(), batch(6, 7))


def test_eval_and_train_again_is_what_was_recorded() -> None:
    layer = learnt(LAYERS["gps"]())
    assert not is_replayed(layer.eval())
    assert_same(layer.train(), batch(), batch(), batch())
    assert is_replayed(layer)


def test_a_batch_on_which_nothing_was_computed_yet() -> None:
    """GCN's normalised adjacency is computed at its first use."""
    layer = learnt(LAYERS["GCN"]())
    for seed in range(3):
        assert_same(layer, batch(8, 5, seed=seed))
    assert is_replayed(layer, batch(7, seed=9))


def test_reference_and_synchronised_norms_are_not_replayed() -> None:
    layer = learnt(LAYERS["gps"]())
    with backend.using("reference"):
        assert not is_replayed(layer)
    with synchronised(lambda total: total):
        assert not is_replayed(layer)
    assert is_replayed(layer)


class Own(nn.Module):
    """A layer from elsewhere: Python may decide anything in it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.calls = Linear(DIM, DIM), 0

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return self.first(x, relu=self.calls % 2 == 0), e


def test_a_layer_from_elsewhere_is_recorded_every_time() -> None:
    layer = Own().train()
    for _ in range(6):
        step(layer, one_node, batch())
    assert layer.calls == 6
    assert not is_replayed(layer)


class Kept(Own):
    """Keeps a value of its states aside."""

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        hidden = self.first(x)
        self.aside = hidden.square().mean()
        return hidden, e


class Changed(Own):
    """Changes a buffer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        self.seen += 1
        return self.first(x).sin(), e


class Counted(Own):
    """A norm of torch's, which counts its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(DIM)

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return functional.relu(self.norm(self.first(x))), e


@pytest.mark.parametrize("kind", [Kept, Changed, Counted], ids=lambda kind: kind.__name__)
def test_nothing_is_left_of_a_recording_that_fails(kind: type[Own]) -> None:
    assert_same(kind().train(), batch(), batch(3, 4))


def test_a_value_kept_aside_has_its_gradient() -> None:
    def grads(run: Callable) -> Tensor:
        torch.manual_seed(0)
        layer, graphs = Kept(), batch()
        new_x, _ = run(layer, *states(graphs), graphs)
        (new_x.sum() + layer.aside).backward()
        assert layer.first.weight.grad is not None
        return layer.first.weight.grad

    assert torch.equal(grads(one_node), grads(op_by_op))


def test_features_of_the_batch_that_are_trained() -> None:
    class Reads(Own):
        def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
            return ops.gine(x, batch.edge["own"], batch), e

    graphs = batch()
    graphs.edge["own"] = torch.randn(graphs.num_edges, DIM, requires_grad=True)
    one_node(Reads(), *states(graphs), graphs)[0].sum().backward()
    assert graphs.edge["own"].grad is not None


@pytest.mark.parametrize("recordings", [0, 2])
def test_second_derivatives_are_refused(recordings: int) -> None:
    layer, graphs = LAYERS["gps"]().train(), batch()
    for _ in range(recordings):
        step(layer, one_node, graphs)
    x, e = states(graphs)
    with pytest.raises(UsageError, match="ops=reference"):
        torch.autograd.grad(one_node(layer, x, e, graphs)[0].sum(), x, create_graph=True)
