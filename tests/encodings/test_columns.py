"""Rows of columns: pairs in order, propagation column by column in both directions, padding at the end."""

import networkx as nx
import pytest
import torch
from torch.testing import assert_close

from gnnlab.encodings.columns import columns, node_pairs
from gnnlab.ops import pool, propagate
from gnnlab.ops.attention import pair_ptr
from gnnlab.padding import Size, pad
from tests.graphs import pack

GRAPHS = [nx.DiGraph([(0, 1), (0, 1), (2, 1), (3, 3)]), nx.path_graph(1), nx.cycle_graph(5), nx.empty_graph(2)]


def test_pairs_lie_graph_after_graph_query_after_query():
    batch = pack(*GRAPHS).batch()
    pairs = node_pairs(batch)
    expected = [(i, j) for graph in GRAPHS for i in range(len(graph)) for j in range(len(graph))]
    local = pairs.batch - batch.ptr[batch.batch[pairs.batch]]
    assert list(zip(local.tolist(), pairs.node["column"].tolist(), strict=True)) == expected
    assert torch.equal(pairs.ptr[batch.ptr], pair_ptr(batch))
    assert node_pairs(batch) is pairs


@pytest.mark.parametrize("counts", [[2, 0, 3, 1], [4, 1, 5, 2]])
def test_propagates_in_each_column_by_itself(counts):
    """Σ_j x_jk into (i, k), and its gradient along the same edges: with A from networkx."""
    batch = pack(*GRAPHS).batch()
    rows = columns(batch, torch.tensor(counts))
    x = torch.randn(rows.num_nodes, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(rows.num_nodes, 3, dtype=torch.float64)
    expected, first = [], 0
    for graph, count in zip(GRAPHS, counts, strict=True):
        adjacency = torch.from_numpy(nx.to_numpy_array(graph, nodelist=range(len(graph))))
        block = x[first : first + count * len(graph)].view(len(graph), 3 * count)
        expected.append((adjacency.T @ block).view(-1, 3))
        first += count * len(graph)
    expected, found = torch.cat(expected), propagate(x, rows)
    assert_close(found, expected)
    gradients = [torch.autograd.grad((out * weights).sum(), x, retain_graph=True)[0] for out in (found, expected)]
    assert_close(*gradients)
    assert pool(x, rows, "sum").shape == (batch.num_nodes, 3)


def test_the_transpose_lists_the_same_edges():
    rows = columns(pack(*GRAPHS).batch(), torch.tensor([4, 1, 5, 2]))
    assert torch.equal(rows.edge_index[1][rows.transpose], rows.out_target)
    leaving = torch.repeat_interleave(torch.arange(rows.num_nodes), rows.colptr.diff())
    assert torch.equal(rows.edge_index[0][rows.transpose], leaving)
    assert rows.transpose.sort().values.tolist() == list(range(rows.num_edges))


def test_padding_comes_last():
    batch = pack(*GRAPHS).batch()
    nodes, edges, graphs, longest = Size.of(batch)
    plain, padded = node_pairs(batch), node_pairs(pad(batch, Size(nodes + 7, edges + 9, graphs + 2, longest)))
    real = [int(count) for count in padded.real if count is not None]
    assert real == [plain.num_nodes, plain.num_edges, plain.num_graphs]
    assert torch.equal(padded.edge_index[:, : real[1]], plain.edge_index)
