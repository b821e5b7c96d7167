"""Reductions: of in-neighbours (sum, mean, max, GINE), of messages (sum, PNA's four), of nodes into graphs."""

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import aggregate, gine, multi_aggregate, pool, propagate
from gnnlab.ops.gine import reference as plain_gine
from gnnlab.ops.multi_aggregate import reference as plain_multi
from gnnlab.ops.propagate import reference as plain_propagate
from gnnlab.ops.segment import reference as plain_segment
from kernels.bench.contest import HAS_PYG, HAS_SCATTER, Function, Maker, Op, contests
from kernels.bench.graphs import shapes
from kernels.bench.measure import Row


def rows() -> Iterator[Row]:
    every = list(shapes())
    for op in OPS:
        yield from contests(op, every)


def nodes(batch: Batch, width: int) -> list[Tensor]:
    return [torch.randn(batch.num_nodes, width)]


def edges(batch: Batch, width: int) -> list[Tensor]:
    return [torch.randn(batch.edge_index.shape[1], width)]


def both(batch: Batch, width: int) -> list[Tensor]:
    return [*nodes(batch, width), *edges(batch, width)]


def numbers(forward: tuple[int, int], backward: tuple[int, int]) -> Callable[[Batch, int], tuple[float, float]]:
    """So many rows of nodes and of edges in each pass."""

    def moved(batch: Batch, width: int) -> tuple[float, float]:
        n, e = batch.num_nodes * width, batch.edge_index.shape[1] * width
        return forward[0] * n + forward[1] * e, backward[0] * n + backward[1] * e

    return moved


def pyg(reduce: str, gather: bool) -> Maker:
    """PyG's gather and `scatter`, as `MessagePassing` calls them."""
    from torch_geometric.utils import scatter

    def make(batch: Batch) -> Function:
        source, target = batch.edge_index
        return lambda x: scatter(x.index_select(0, source) if gather else x, target, 0, batch.num_nodes, reduce)

    return make


def torch_scatter(reduce: str, gather: bool) -> Maker:
    from torch_scatter import segment_csr

    def make(batch: Batch) -> Function:
        source, rowptr = batch.edge_index[0], batch.rowptr
        return lambda x: segment_csr(x.index_select(0, source) if gather else x, rowptr, reduce=reduce)

    return make


def sparse(batch: Batch) -> Function:
    """`torch.sparse`'s CSR product, which is MKL's on Intel's and AMD's CPUs."""
    ones = torch.ones(batch.edge_index.shape[1], device=batch.rowptr.device)
    with warnings.catch_warnings():  # CSR is "in beta state"
        warnings.simplefilter("ignore")
        matrix = torch.sparse_csr_tensor(batch.rowptr, batch.edge_index[0], ones, (batch.num_nodes,) * 2)
    return lambda x: matrix @ x


def pyg_gine(batch: Batch) -> Function:
    from torch_geometric.utils import scatter

    source, target = batch.edge_index
    return lambda x, e: x + scatter((x.index_select(0, source) + e).relu(), target, 0, batch.num_nodes, "sum")


def pyg_multi(batch: Batch) -> Function:
    from torch_geometric.nn.aggr import MultiAggregation

    aggregation, target = MultiAggregation(["mean", "min", "max", "std"]), batch.edge_index[1]
    return lambda messages: aggregation(messages, target, dim_size=batch.num_nodes)


def pyg_pool(batch: Batch) -> Function:
    from torch_geometric.nn import global_add_pool

    return lambda x: global_add_pool(x, batch.batch, batch.num_graphs)


def libraries(reduce: str, gather: bool) -> dict[str, Maker]:
    peers = {"PyG scatter": pyg(reduce, gather)} if HAS_PYG else {}
    return peers | ({"torch-scatter segment_csr": torch_scatter(reduce, gather)} if HAS_SCATTER else {})


def reduced(reduce: str) -> Op:
    """Neighbours' rows to one: gathered by edge, written by node; the same again backwards."""
    return Op(
        f"propagate {reduce}",
        nodes,
        lambda batch: lambda x: propagate(x, batch, reduce),
        lambda batch: lambda x: plain_propagate(x, batch, reduce),
        numbers((1, 1), (1, 1) if reduce != "max" else (3, 2)),
        libraries(reduce, gather=True) | ({"torch.sparse CSR": sparse} if reduce == "sum" else {}),
    )


OPS = [
    *(reduced(reduce) for reduce in ("sum", "mean", "max")),
    Op(
        "aggregate",
        edges,
        lambda batch: lambda m: aggregate(m, batch),
        lambda batch: lambda m: plain_segment(m, None, batch.rowptr, batch.edges.target, "sum"),
        numbers((1, 1), (1, 1)),
        libraries("sum", gather=False),
    ),
    Op(
        "multi_aggregate",
        edges,
        lambda batch: lambda m: multi_aggregate(m, batch),
        lambda batch: lambda m: plain_multi(m, batch),
        numbers((4, 1), (8, 2)),
        {"PyG MultiAggregation": pyg_multi} if HAS_PYG else {},
        tolerance=2e-3,
        apart=0.02,  # PyG's deviation lacks the epsilon: where it is 0, its gradient is another
    ),
    Op(
        "gine",
        both,
        lambda batch: lambda x, e: gine(x, e, batch, root=1.0),
        lambda batch: lambda x, e: plain_gine(x, e, batch, root=1.0),
        numbers((2, 2), (3, 3)),
        {"PyG scatter": pyg_gine} if HAS_PYG else {},
    ),
    Op(
        "pool",
        nodes,
        lambda batch: lambda x: pool(x, batch, "sum"),
        lambda batch: lambda x: plain_segment(x, None, batch.ptr, batch.batch, "sum"),
        numbers((1, 0), (1, 0)),
        {"PyG global_add_pool": pyg_pool} if HAS_PYG else {},
    ),
]
