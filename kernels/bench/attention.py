"""Attention over the nodes of each graph: softmax, with and without dropout, and linear."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import multi_head_attention_forward, scaled_dot_product_attention

from gnnlab.batch import Batch
from gnnlab.ops import attention, linear, linear_attention
from gnnlab.ops.attention import reference
from gnnlab.ops.linear_attention import reference as plain_linear
from kernels.bench.contest import HAS_PYG, Function, Maker, Op, contests
from kernels.bench.graphs import shapes
from kernels.bench.measure import Row

HEADS = 4


def rows() -> Iterator[Row]:
    every = list(shapes("zinc", "peptides"))
    for op in OPS:
        yield from contests(op, every)


def layer_inputs(batch: Batch, width: int) -> list[Tensor]:
    sizes = [(batch.num_nodes, width), (3 * width, width), (3 * width,), (width, width), (width,)]
    return [torch.randn(size) / width**0.5 for size in sizes]


def moved(batch: Batch, width: int) -> tuple[float, float]:
    return 4 * batch.num_nodes * width, 8 * batch.num_nodes * width


def products(batch: Batch, width: int) -> list[tuple[int, int, int]]:
    """Scores and weighted values of every graph and head, as two products of as many operations."""
    pairs = float(batch.ptr.diff().double().square().sum())
    side = max(1, round(math.sqrt(pairs)))
    return [(side, width, side), (side, side, width)]


def heads_of(qkv: Tensor) -> tuple[Tensor, ...]:
    """[…, 3 H C] to three of […, H, C]."""
    return qkv.unflatten(-1, (3, HEADS, -1)).unbind(-3)


def padded(dropout: float) -> Maker:
    """`to_dense_batch`, then torch's own fused attention with a mask."""
    from torch_geometric.utils import to_dense_batch

    def make(batch: Batch) -> Function:
        def call(qkv: Tensor) -> Tensor:
            dense, filled = to_dense_batch(qkv, batch.batch)
            query, key, value = (part.transpose(1, 2) for part in heads_of(dense))
            mask = filled[:, None, None, :]
            mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
            return mixed.transpose(1, 2).flatten(2)[filled]

        return call

    return make


def one_by_one(dropout: float) -> Maker:
    """A loop over the graphs, so that nothing is padded."""

    def make(batch: Batch) -> Function:
        sizes = batch.ptr.diff().tolist()

        def call(qkv: Tensor) -> Tensor:
            mixed = []
            for part in qkv.split(sizes):
                query, key, value = (head.transpose(0, 1) for head in heads_of(part))
                mixed.append(scaled_dot_product_attention(query, key, value, dropout_p=dropout).transpose(0, 1))
            return torch.cat(mixed).flatten(1)

        return call

    return make


def our_layer(dropout: float) -> Maker:
    """Projections, attention, projection: `gnnlab.nn.mixer.attention`."""

    def make(batch: Batch) -> Function:
        def call(x: Tensor, weight: Tensor, bias: Tensor, last: Tensor, last_bias: Tensor) -> Tensor:
            return linear(attention(linear(x, weight, bias), batch, HEADS, dropout), last, last_bias)

        return call

    return make


def pyg_layer(dropout: float) -> Maker:
    """As PyG's `GPSConv` does it: `to_dense_batch` and what `nn.MultiheadAttention` calls."""
    from torch_geometric.utils import to_dense_batch

    def make(batch: Batch) -> Function:
        def call(x: Tensor, weight: Tensor, bias: Tensor, last: Tensor, last_bias: Tensor) -> Tensor:
            dense, filled = to_dense_batch(x, batch.batch)
            dense, nothing = dense.transpose(0, 1), (None, None, False)
            mixed, _ = multi_head_attention_forward(
                *(dense, dense, dense, x.shape[1], HEADS, weight, bias, *nothing, dropout, last, last_bias),
                key_padding_mask=~filled,
                need_weights=False,
            )
            return mixed.transpose(0, 1)[filled]

        return call

    return make


def padded_linear(batch: Batch) -> Function:
    """Two products for each graph and head, on graphs padded to the size of the largest."""
    from torch_geometric.utils import to_dense_batch

    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        dense, filled = to_dense_batch(torch.cat([q, k, v], dim=1), batch.batch)
        query, key, value = (part.transpose(1, 2) for part in heads_of(dense))
        top, below = query @ (key.transpose(-1, -2) @ value), query @ key.sum(-2).unsqueeze(-1)
        return (top / below.where(below > 0, 1)).transpose(1, 2).flatten(2)[filled]  # rows of padding are 0

    return call


def op(dropout: float) -> Op:
    """From queries, keys and values to what attention mixes of them."""
    return Op(
        f"attention, dropout {dropout}",
        lambda batch, width: [torch.randn(batch.num_nodes, 3 * width)],
        lambda batch: lambda qkv: attention(qkv, batch, HEADS, dropout),
        None if dropout else lambda batch: lambda qkv: reference(qkv, batch, HEADS, 0.0, None, None),
        moved,
        ({"SDPA, padded": padded(dropout)} if HAS_PYG else {}) | {"SDPA, graph by graph": one_by_one(dropout)},
        products,
        compiles=False,
        exact=not dropout,
    )


def layer(dropout: float) -> Op:
    """The same with its projections."""
    return Op(
        f"attention layer, dropout {dropout}",
        layer_inputs,
        our_layer(dropout),
        None,
        moved,
        {"PyG to_dense_batch + MultiheadAttention": pyg_layer(dropout)},
        lambda batch, width: [*products(batch, width), (batch.num_nodes, width, 4 * width)],
        exact=not dropout,
    )


LINEAR = Op(
    "linear_attention",
    lambda batch, width: [torch.rand(batch.num_nodes, width) + 0.1 for _ in range(3)],
    lambda batch: lambda q, k, v: linear_attention(q, k, v, batch, HEADS),
    lambda batch: lambda q, k, v: plain_linear(q, k, v, batch, HEADS),
    moved,
    {"padded products": padded_linear} if HAS_PYG else {},
    lambda batch, width: [(batch.num_nodes, width // HEADS, 2 * width)],
)
OPS = [op(0.0), op(0.5), *([layer(0.0), layer(0.5)] if HAS_PYG else []), LINEAR]
