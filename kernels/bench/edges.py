"""Gates and softmaxes over each node's in-edges: GatedGCN, GAT, and logits of any kind."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from gnnlab.batch import Batch
from gnnlab.ops import edge_softmax_sum, gat, gated
from gnnlab.ops.edge_softmax import gat_reference
from gnnlab.ops.edge_softmax import reference as plain_softmax
from gnnlab.ops.gated import reference as plain_gated
from kernels.bench.contest import HAS_PYG, HAS_SCATTER, Function, Op, contests
from kernels.bench.graphs import shapes
from kernels.bench.measure import Row
from kernels.bench.segment import numbers

HEADS = 4


def rows() -> Iterator[Row]:
    every = list(shapes())
    for op in OPS:
        yield from contests(op, every)


def gates(batch: Batch, width: int) -> list[Tensor]:
    return [torch.randn(batch.num_nodes, 4 * width), torch.randn(batch.edge_index.shape[1], width)]


def scores(batch: Batch, width: int) -> list[Tensor]:
    return [torch.randn(batch.num_nodes, size) for size in (HEADS, HEADS, width)]


def logits(batch: Batch, width: int) -> list[Tensor]:
    return [torch.randn(batch.edge_index.shape[1], HEADS), torch.randn(batch.num_nodes, width)]


def pyg_gated(batch: Batch) -> Function:
    """As GraphGPS's layer on PyG's `MessagePassing`: gates kept, two scatters."""
    from torch_geometric.utils import scatter

    source, target = batch.edge_index

    def call(nodes: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        own, value, to, start = nodes.chunk(4, dim=-1)
        e = to.index_select(0, target) + start.index_select(0, source) + e
        gate = torch.sigmoid(e)
        top = scatter(gate * value.index_select(0, source), target, 0, batch.num_nodes, "sum")
        return own + top / (scatter(gate, target, 0, batch.num_nodes, "sum") + 1e-6), e

    return call


def scatter_gated(batch: Batch) -> Function:
    from torch_scatter import segment_csr

    source, target = batch.edge_index

    def call(nodes: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
        own, value, to, start = nodes.chunk(4, dim=-1)
        e = to.index_select(0, target) + start.index_select(0, source) + e
        gate = torch.sigmoid(e)
        top = segment_csr(gate * value.index_select(0, source), batch.rowptr)
        return own + top / (segment_csr(gate, batch.rowptr) + 1e-6), e

    return call


def pyg_softmax(batch: Batch) -> Function:
    """As PyG's attention layers: its `softmax` over edges, then messages and their scatter."""
    from torch_geometric.utils import scatter, softmax

    source, target = batch.edge_index

    def call(logits: Tensor, value: Tensor) -> Tensor:
        alpha = softmax(logits, target, num_nodes=batch.num_nodes).unsqueeze(-1)
        messages = alpha * value.unflatten(1, (HEADS, -1)).index_select(0, source)
        return scatter(messages, target, 0, batch.num_nodes, "sum").flatten(1)

    return call


def pyg_gat(batch: Batch) -> Function:
    source, target = batch.edge_index
    weigh = pyg_softmax(batch)
    return lambda a, b, value: weigh(leaky_relu(a.index_select(0, source) + b.index_select(0, target), 0.2), value)


OPS = [
    Op(
        "gated",
        gates,
        lambda batch: lambda nodes, e: gated(nodes, e, batch),
        lambda batch: lambda nodes, e: plain_gated(nodes, e, batch),
        numbers((3, 4), (8, 6)),
        ({"PyG scatter": pyg_gated} if HAS_PYG else {}) | ({"torch-scatter": scatter_gated} if HAS_SCATTER else {}),
    ),
    Op(
        "gat",
        scores,
        lambda batch: lambda a, b, value: gat(a, b, value, batch),
        lambda batch: lambda a, b, value: gat_reference(a, b, value, batch),
        numbers((1, 1), (2, 2)),
        {"PyG softmax + scatter": pyg_gat} if HAS_PYG else {},
    ),
    Op(
        "edge_softmax_sum",
        logits,
        lambda batch: lambda s, value: edge_softmax_sum(s, value, batch),
        lambda batch: lambda s, value: plain_softmax(s, value, batch),
        numbers((1, 1), (2, 2)),
        {"PyG softmax + scatter": pyg_softmax} if HAS_PYG else {},
    ),
]
