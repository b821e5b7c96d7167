"""A layer as one node of autograd's graph: the same to the bit as op by op, or run op by op."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gnnlab import ops
from gnnlab.batch import Batch
from gnnlab.models.gps import GPSLayer
from gnnlab.nn.block import ConvBlock
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.conv.gin import GIN
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.mixer.attention import Attention
from gnnlab.ops import backend
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.linear import Linear
from gnnlab.ops.recorded.one_node import one_node
from gnnlab.packed import Packed
from gnnlab.testing import random_graph

pytestmark = pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")

DIM = 16
LAYERS = {
    "gps": lambda: GPSLayer(DIM, GINE(DIM), Attention(DIM, dropout=0.5), 0.1, "relu"),
    "gps-gatedgcn": lambda: GPSLayer(DIM, GatedGCN(DIM), Attention(DIM), 0.1, "relu"),
    **{conv.__name__: lambda conv=conv: ConvBlock(conv(DIM), DIM, 0.2) for conv in (GCN, GIN, GINE, GatedGCN)},
}


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Packed.from_graphs([random_graph(n, 3 * n, generator) for n in (1, 9, 14)]).batch()


def states(batch: Batch) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, e = (torch.randn(n, DIM, generator=generator) for n in (batch.num_nodes, batch.num_edges))
    return x.requires_grad_(), e.requires_grad_()


def everything(layer: nn.Module, run: Callable, frozen: bool = False) -> list[Tensor]:
    """What a step leaves: states, gradients, buffers and the random state after it."""
    torch.manual_seed(0)
    for module in layer.modules():
        if hasattr(module, "reset_running_stats"):
            module.reset_running_stats()
    layer.zero_grad()
    graphs = batch()
    x, e = states(graphs)
    for parameter in layer.parameters():
        parameter.requires_grad_(not frozen)
    new_x, new_e = run(layer, x, e, graphs)
    (new_x.square().sum() + new_e.sin().sum()).backward()
    grads = [parameter.grad for parameter in layer.parameters() if parameter.grad is not None]
    return [new_x, new_e, x.grad, e.grad, *grads, *layer.buffers(), torch.get_rng_state()]


def assert_same(left: list[Tensor], right: list[Tensor]) -> None:
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert torch.equal(a, b)


def is_one_node(layer: nn.Module) -> bool:
    graphs = batch()
    return "_Recorded" in type(one_node(layer, *states(graphs), graphs)[0].grad_fn).__name__


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_same_to_the_bit(name: str, frozen: bool) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().train()
    plain = [tensor.clone() for tensor in everything(layer, lambda layer, *args: layer(*args), frozen)]
    assert_same(everything(layer, one_node, frozen), plain)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "GIN"])
def test_is_one_node(name: str) -> None:
    assert is_one_node(LAYERS[name]())


class Between(nn.Module):
    """An operation of torch's between two ops."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.between = between
        self.norm, self.first, self.second = BatchNorm(DIM), Linear(DIM, DIM), Linear(DIM, DIM)

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        x = self.norm(self.first(x), around=ops.Around(first=0.5))
        return self.second(self.between(x)), e


FOREIGN = {
    "computed": torch.sin,
    "view": lambda x: x.view(x.shape),
    "in place": lambda x: x.mul_(2),
}


@pytest.mark.parametrize("between", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_no_op_is_noticed(between: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    layer = Between(between)
    plain = [tensor.clone() for tensor in everything(layer, lambda layer, *args: layer(*args))]
    assert_same(everything(layer, one_node), plain)
    assert_same(everything(layer, one_node), plain)
    assert not is_one_node(layer)


def test_a_state_changed_after_its_last_use_is_noticed() -> None:
    class Late(Between):
        def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
            hidden = self.first(x, relu=True)
            out = self.second(hidden)
            hidden.mul_(0)
            return out, e

    layer, graphs = Late(torch.sin), batch()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        one_node(layer, *states(graphs), graphs)[0].sum().backward()


def test_saved_states_are_guarded() -> None:
    class Relu(Between):
        def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
            return self.first(x, relu=True), e

    layer, graphs = Relu(torch.sin), batch()
    out, _ = one_node(layer, *states(graphs), graphs)
    out.sum().backward()
    with pytest.raises(RuntimeError, match="a second time"):
        out.sum().backward()
    out, _ = one_node(layer, *states(graphs), graphs)
    out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_without_gradients_nothing_is_noted() -> None:
    layer, graphs = LAYERS["gps"]().eval(), batch()
    with torch.no_grad():
        assert one_node(layer, *states(graphs), graphs)[0].grad_fn is None
