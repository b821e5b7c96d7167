"""Layers to be recorded, batches for them, and steps as one node beside op by op."""

from collections.abc import Callable
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.models.gps import GPSLayer
from gnnlab.nn.block import ConvBlock
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.stack import Chain
from gnnlab.ops.recorded.one_node import one_node
from gnnlab.packed import Packed
from gnnlab.testing import random_graph

DIM = 16
Layer = TypeVar("Layer", bound=nn.Module)
LAYERS = {
    "gps": lambda: GPSLayer(DIM, GINE(DIM), Attention(DIM, dropout=0.5), 0.1, "relu"),
    "gps-gatedgcn": lambda: GPSLayer(DIM, GatedGCN(DIM), Attention(DIM), 0.1, "relu"),
    **{conv.__name__: lambda conv=conv: ConvBlock(conv(DIM), DIM, 0.2) for conv in (GCN, GINE, GatedGCN)},
    "chain": lambda: Chain([GPSLayer(DIM, GINE(DIM), Attention(DIM), 0.1, "relu"), ConvBlock(GatedGCN(DIM), DIM, 0.2)]),
}


def batch(*sizes: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Packed.from_graphs([random_graph(n, 3 * n, generator) for n in sizes or (1, 9, 14)]).batch()


def states(batch: Batch, requires_grad: bool = True) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, e = (torch.randn(n, DIM, generator=generator) for n in (batch.num_nodes, batch.num_edges))
    return x.requires_grad_(requires_grad), e.requires_grad_(requires_grad)


def x_alone(x: Tensor, e: Tensor) -> Tensor:
    return x.square().sum()


def both(x: Tensor, e: Tensor) -> Tensor:
    return x_alone(x, e) + e.sin().sum()


def step(layer: nn.Module, run: Callable, graphs: Batch, loss: Callable = both) -> list[Tensor]:
    """What a step leaves: states, gradients, buffers and the random state after it."""
    torch.manual_seed(0)
    layer.zero_grad()
    x, e = states(graphs)
    new_x, new_e = run(layer, x, e, graphs)
    loss(new_x, new_e).backward()
    left = [new_x, new_e, x.grad, e.grad, *(p.grad for p in layer.parameters()), *layer.buffers()]
    return [torch.get_rng_state(), *(tensor.clone() for tensor in left if tensor is not None)]


def op_by_op(layer: nn.Module, *given: object) -> tuple[Tensor, Tensor]:
    return layer(*given)


def assert_same(layer: nn.Module, *graphs: Batch, loss: Callable = both) -> None:
    """One step after the other, as one node and op by op, from the same layer."""
    twin = deepcopy(layer)
    for one in graphs:
        left, right = step(layer, one_node, one, loss), step(twin, op_by_op, one, loss)
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert torch.equal(a, b)


def is_replayed(layer: nn.Module, graphs: Batch | None = None, requires_grad: bool = True) -> bool:
    graphs = graphs or batch()
    x, _ = one_node(layer, *states(graphs, requires_grad), graphs)
    return "Replayed" in type(x.grad_fn).__name__


def learnt(layer: Layer) -> Layer:
    """After two recordings."""
    layer.train()
    for seed in range(2):
        step(layer, one_node, batch(5, 9 + seed, seed=seed))
    assert is_replayed(layer)
    return layer
