"""Batches put together by the kernel are those of plain torch, tensor by tensor."""

from dataclasses import fields

import pytest
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.ops import backend
from gnnlab.ops.assemble import assemble, reference
from gnnlab.packed import Packed
from gnnlab.testing import random_graph

pytestmark = pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")


def split(sizes: list[int]) -> Packed:
    """Graphs with attributes of every kind: integers, floats, booleans, several dimensions, not contiguous."""
    generator = torch.Generator().manual_seed(0)
    graphs = Packed.from_graphs([random_graph(n, 3 * n * (n > 1), generator) for n in sizes])
    nodes, edges, count = graphs.num_nodes, graphs.num_edges, graphs.num_graphs
    graphs.node.update(x=torch.randint(9, (nodes, 2)), pe=torch.randn(5, nodes).T, mask=torch.rand(nodes) < 0.5)
    graphs.node.update(cube=torch.randn(nodes, 2, 3, dtype=torch.float64), scalar=torch.arange(nodes).float())
    graphs.edge.update(edge_attr=torch.randn(edges, 4)[:, ::2], kind=torch.randint(3, (edges,), dtype=torch.int32))
    graphs.graph.update(y=torch.randn(count, 1), weight=torch.rand(count).bfloat16())
    return graphs


def same(one: object, other: object) -> bool:
    if isinstance(one, Tensor):
        assert isinstance(other, Tensor)
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        assert isinstance(other, dict)
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    return one == other


def assert_same(ours: Batch, plain: Batch) -> None:
    different = [f.name for f in fields(Batch) if not same(getattr(ours, f.name), getattr(plain, f.name))]
    assert not different


@pytest.mark.parametrize("sizes", [[5, 1, 9, 2], [1], [0, 3, 0, 4, 0], [0], list(range(1, 60))])
def test_equals_plain_torch(sizes: list[int]) -> None:
    graphs = split(sizes)
    count = graphs.num_graphs
    order = torch.cat([torch.randperm(count), torch.randperm(count)])
    bounds = [(0, 0), (0, 1), (0, count), (count // 2, count + count // 2), (2 * count - 1, 2 * count)]
    made = list(assemble(graphs, order, bounds))
    assert len(made) == len(bounds)
    for ours, plain in zip(made, reference(graphs, order, bounds), strict=True):
        assert_same(ours, plain)


def test_threads_change_nothing() -> None:
    graphs, threads = split([40] * 200), torch.get_num_threads()
    order = torch.randperm(200)
    try:
        torch.set_num_threads(1)
        (one,) = assemble(graphs, order, [(0, 200)])
        torch.set_num_threads(2)
        (two,) = assemble(graphs, order, [(0, 200)])
    finally:
        torch.set_num_threads(threads)
    assert_same(one, two)


@pytest.mark.parametrize("graph", [-1, 4])
def test_a_graph_that_is_not_there_is_refused(graph: int) -> None:
    with pytest.raises((RuntimeError, IndexError, UsageError)):
        list(assemble(split([5, 1, 9, 2]), torch.tensor([0, graph]), [(0, 2)]))
