"""Packed graphs: the same batches as PyG's, sorted, with the transpose beside them."""

import pytest
import torch
from torch_geometric.data import Batch as PyGBatch
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.testing import graphs_of_all_kinds


def shuffled(data: Data, seed: int) -> Data:
    """The same graph with its edges in random order, a self-loop and a double edge."""
    generator = torch.Generator().manual_seed(seed)
    double = torch.tensor([[0, 0], [0, 0]])
    edge_index = torch.cat([data.edge_index, double], dim=1)
    edge_attr = torch.cat([data.edge_attr, torch.tensor([[1], [2]])])
    order = torch.randperm(edge_index.shape[1], generator=generator)
    return Data(
        x=data.x, edge_index=edge_index[:, order], edge_attr=edge_attr[order], y=data.y, num_nodes=data.num_nodes
    )


GRAPHS = [shuffled(data, i) for i, data in enumerate(graphs_of_all_kinds())]
PACKED = Packed.from_graphs(GRAPHS)
FIELDS = ("edge_index", "ptr", "batch", "rowptr", "colptr", "transpose", "x", "edge_attr", "y")


def assert_same(ours: Batch, expected: Batch) -> None:
    for name in FIELDS:
        assert torch.equal(getattr(ours, name), getattr(expected, name)), name
    assert ours.max_nodes == expected.max_nodes


def test_a_batch_of_edges_and_one_without_are_as_packed_makes_them() -> None:
    edges = torch.randint(7, (2, 30), generator=torch.Generator().manual_seed(0))
    ours, order = Batch.from_edges(edges, 7)
    assert torch.equal(ours.edge_index, edges[:, order])
    edgeless = [Data(edge_index=edges[:, :0], num_nodes=nodes) for nodes in (4, 0, 3)]
    bare = Batch.without_edges(torch.tensor([0, 4, 4, 7]), 4)
    for batch, graphs in ((ours, [Data(edge_index=edges, num_nodes=7)]), (bare, edgeless)):
        expected = Packed.from_graphs(graphs).batch()
        for name in (*FIELDS[:5], "out_target", "place", "max_nodes"):
            assert torch.equal(*(torch.as_tensor(getattr(one, name)) for one in (batch, expected))), name
        assert torch.equal(batch.edge_index[1][batch.transpose], batch.out_target)
    assert bare.place.tolist() == [0, 1, 2, 3, 0, 1, 2]


def test_a_batch_has_the_fields_of_pygs() -> None:
    theirs = PyGBatch.from_data_list(GRAPHS)
    ours = PACKED.batch()
    order = torch.argsort(theirs.edge_index[1] * theirs.num_nodes + theirs.edge_index[0], stable=True)
    assert torch.equal(ours.edge_index, theirs.edge_index[:, order])
    assert torch.equal(ours.edge_attr, theirs.edge_attr[order])
    for name in ("x", "y", "batch", "ptr"):
        assert torch.equal(getattr(ours, name), theirs[name]), name
    assert ours.max_nodes == 400
    assert (ours.num_graphs, ours.num_nodes) == (len(GRAPHS), theirs.num_nodes)


def test_edges_are_sorted_and_delimited_by_destination_and_by_source() -> None:
    batch = PACKED.batch()
    source, target = batch.edge_index
    key = target * batch.num_nodes + source
    assert (key[1:] >= key[:-1]).all()
    assert torch.equal(torch.repeat_interleave(batch.rowptr.diff()), target)
    out_source, out_target = batch.edge_index[:, batch.transpose]
    key = out_source * batch.num_nodes + out_target
    assert (key[1:] >= key[:-1]).all()
    assert torch.equal(torch.repeat_interleave(batch.colptr.diff()), out_source)
    assert torch.equal(batch.transpose.sort().values, torch.arange(len(source)))


@pytest.mark.parametrize("chosen", [[3], [6, 0, 2], [1, 1, 4], [], list(range(7))])
def test_taking_graphs_is_packing_those_graphs(chosen: list[int]) -> None:
    taken = PACKED.take(torch.tensor(chosen, dtype=torch.long))
    assert taken.num_graphs == len(chosen)
    if chosen:
        assert_same(taken.batch(), Packed.from_graphs([GRAPHS[i] for i in chosen]).batch())


@pytest.mark.parametrize(("first", "last"), [(0, 3), (2, 5), (4, 7), (3, 4), (0, 7)])
def test_a_slice_is_a_batch_of_its_graphs(first: int, last: int) -> None:
    assert_same(PACKED.batch(first, last), Packed.from_graphs(GRAPHS[first:last]).batch())


def test_a_batch_of_no_graphs() -> None:
    for empty in (
        PACKED.batch(2, 2),
        PACKED.take(torch.tensor([], dtype=torch.long)).batch(),
        Packed.from_graphs([]).batch(),
    ):
        assert (empty.num_graphs, empty.num_nodes, empty.edge_index.shape[1], empty.max_nodes) == (0, 0, 0, 0)


def test_graphs_without_nodes_keep_their_place() -> None:
    empty = Data(x=torch.empty(0, 1, dtype=torch.long), edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=0)
    pair = Data(x=torch.ones(2, 1, dtype=torch.long), edge_index=torch.tensor([[0, 1], [1, 0]]))
    batch = Packed.from_graphs([empty, pair, empty, pair]).take(torch.tensor([2, 3, 0, 1])).batch()
    assert batch.ptr.tolist() == [0, 0, 2, 2, 4]
    assert batch.batch.tolist() == [1, 1, 3, 3]
    assert batch.edge_index.tolist() == [[1, 0, 3, 2], [0, 1, 2, 3]]


def test_the_batch_of_a_single_graph_copies_nothing() -> None:
    packed = PACKED.take(torch.tensor([4]))
    batch = packed.batch()
    for name in ("edge_index", "rowptr", "colptr", "transpose"):
        assert getattr(batch, name).data_ptr() == getattr(packed, name).data_ptr(), name
    assert batch.x is not None
    assert batch.x.data_ptr() == packed.node["x"].data_ptr()


def test_a_targets_kind_is_decided_over_all_graphs() -> None:
    """A graph with one node does not make its graph-level target a node attribute."""
    assert set(PACKED.graph) == {"y"}
    assert set(PACKED.node) == {"x"}
    per_node = [Data(x=data.x, edge_index=data.edge_index, y=data.x[:, 0]) for data in GRAPHS]
    assert set(Packed.from_graphs(per_node, level="node").node) == {"x", "y"}


def test_single_nodes_keep_their_graphs_targets() -> None:
    packed = Packed.from_graphs(graphs_of_all_kinds()[:1] * 3)
    assert (set(packed.node), set(packed.graph)) == ({"x"}, {"y"})


def test_further_node_attributes_travel_with_the_nodes() -> None:
    number = torch.arange(PACKED.num_nodes)
    batch = PACKED.with_node(number=number).take(torch.tensor([5, 1])).batch()
    expected = torch.cat([number[PACKED.ptr[i] : PACKED.ptr[i + 1]] for i in (5, 1)])
    assert torch.equal(batch.node["number"], expected)
    assert "number" not in PACKED.node


def test_what_does_not_fit_is_refused() -> None:
    two, one = torch.tensor([2]), torch.tensor([1])
    with pytest.raises(UsageError, match="Graph 0 has an edge to a node it does not have"):
        Packed.from_tensors(two, one, torch.tensor([[0], [2]]))
    with pytest.raises(UsageError, match="node attribute 'x' has 3 rows for 2 nodes"):
        Packed.from_tensors(two, one, torch.tensor([[0], [1]]), node={"x": torch.zeros(3, 1)})
    bare = Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)
    with pytest.raises(UsageError, match="Graph 1 has no 'x', which graph 0 has"):
        Packed.from_graphs([GRAPHS[1], bare])
    with pytest.raises(UsageError, match="Graph 0 has no 'x', which graph 1 has"):
        Packed.from_graphs([bare, GRAPHS[1]])
    with pytest.raises(UsageError, match="'y' does not have one row for each node, as level='node' asks"):
        Packed.from_graphs(GRAPHS, level="node")
    odd = [Data(num_nodes=3, kind=torch.zeros(rows)) for rows in (2, 0)]
    with pytest.raises(UsageError, match="'kind' does not have one row for each node or each edge or each graph"):
        Packed.from_graphs(odd)


def test_moving_a_batch_keeps_it() -> None:
    assert_same(PACKED.batch().to("cpu"), PACKED.batch())


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_keeping_some_edges_is_packing_only_those(share: float) -> None:
    kept = torch.rand(PACKED.num_edges, generator=torch.Generator().manual_seed(0)) < share
    owner = torch.repeat_interleave(torch.arange(PACKED.num_graphs), PACKED.edge_ptr.diff())
    expected = Packed.from_tensors(
        PACKED.ptr.diff(),
        torch.bincount(owner[kept], minlength=PACKED.num_graphs),
        (PACKED.edge_index - PACKED.ptr[owner])[:, kept],
        PACKED.node,
        {name: value[kept] for name, value in PACKED.edge.items()},
        PACKED.graph,
    )
    ours = PACKED.keep_edges(kept)
    assert torch.equal(ours.edge_ptr, expected.edge_ptr)
    assert torch.equal(ours.colptr, expected.colptr)
    assert torch.equal(ours.out_target, expected.out_target)
    assert_same(ours.batch(), expected.batch())
