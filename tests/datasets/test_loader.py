"""The loader: exact lengths, every graph once, limits kept, resumable, even over processes."""

from itertools import pairwise

import pytest
import torch

from gnnlab.batch import Batch
from gnnlab.datasets.loader import Loader
from gnnlab.errors import UsageError
from gnnlab.packed import Packed


def numbered(sizes: list[int]) -> Packed:
    """Paths of the given sizes; node attribute `graph` and graph attribute `y` hold the graph's number."""
    count = torch.tensor(sizes, dtype=torch.long)
    paths = [torch.stack([torch.arange(n - 1), torch.arange(1, n)]) for n in sizes if n > 1]
    number = torch.arange(len(sizes))
    return Packed.from_tensors(
        count,
        (count - 1).clamp(min=0),
        torch.cat([torch.empty(2, 0, dtype=torch.long), *paths], dim=1),
        node={"graph": number.repeat_interleave(count)},
        graph={"y": number},
    )


SIZES = [1 + (7 * i * i) % 40 for i in range(101)]
PACKED = numbered(SIZES)


def visited(batches: list[Batch]) -> list[int]:
    return [i for batch in batches for i in batch.y.tolist()]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "limits",
    [
        {"batch_size": 8},
        {"batch_size": 1},
        {"batch_size": 500},
        {"batch_size": None},
        {"max_nodes": 90},
        {"max_edges": 60},
    ],
)
def test_an_epoch_visits_every_graph_once_in_the_promised_number_of_batches(shuffle: bool, limits: dict) -> None:
    loader = Loader(PACKED, shuffle=shuffle, **limits)
    for epoch in range(3):
        batches = list(loader.epoch(epoch))
        assert len(batches) == loader.num_batches(epoch)
        assert sorted(visited(batches)) == list(range(101))
        for batch in batches:
            assert torch.equal(batch.node["graph"], batch.y[batch.batch])
            assert batch.num_graphs <= (limits.get("batch_size", 32) or 101)
            assert batch.num_nodes <= limits.get("max_nodes", 10_000)
            assert batch.edge_index.shape[1] <= limits.get("max_edges", 10_000)


def test_a_limited_batch_is_as_long_as_its_limits_allow() -> None:
    batches = list(Loader(PACKED, batch_size=None, max_nodes=90).epoch(0))
    for batch, following in pairwise(batches):
        assert batch.num_nodes + int(following.ptr[1]) > 90


def test_evaluation_keeps_the_order_and_training_changes_it_with_seed_and_epoch() -> None:
    assert visited(list(Loader(PACKED).epoch(5))) == list(range(101))
    order = {
        (seed, epoch): tuple(visited(list(Loader(PACKED, shuffle=True, seed=seed).epoch(epoch))))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(order.values())) == 4
    assert order[0, 1] == tuple(visited(list(Loader(PACKED, shuffle=True).epoch(1))))


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("shuffle", [False, True])
def test_starting_late_gives_the_tail_of_the_epoch(shuffle: bool, world: int) -> None:
    loader = Loader(PACKED, batch_size=4, shuffle=shuffle, rank=world - 1, world=world)
    whole = [batch.y.tolist() for batch in loader.epoch(2)]
    for start in (0, 1, 7, len(whole) - 1, len(whole)):
        assert [batch.y.tolist() for batch in loader.epoch(2, start)] == whole[start:]


@pytest.mark.parametrize("world", [2, 3, 8])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("limits", [{"batch_size": 8}, {"batch_size": 2}, {"max_nodes": 45}])
def test_processes_share_each_batch(world: int, shuffle: bool, limits: dict) -> None:
    alone = Loader(PACKED, shuffle=shuffle, **limits)
    ranks = [Loader(PACKED, shuffle=shuffle, rank=rank, world=world, **limits) for rank in range(world)]
    assert {loader.num_batches(1) for loader in ranks} == {alone.num_batches(1)}
    steps = list(zip(*(loader.epoch(1) for loader in ranks), strict=True))
    assert [visited(list(parts)) for parts in steps] == [batch.y.tolist() for batch in alone.epoch(1)]
    for parts in steps:
        sizes = [batch.num_graphs for batch in parts]
        assert sizes[0] > 0, "rank 0 has work in every step"
        assert max(sizes) - min(sizes) <= 1
        assert sum(batch.num_nodes for batch in parts) <= limits.get("max_nodes", 10_000)


def test_an_empty_part_is_a_batch_of_no_graphs() -> None:
    (batch,) = Loader(numbered([30]), shuffle=True, rank=1, world=2).epoch(0)
    assert (batch.num_graphs, batch.num_nodes, batch.max_nodes, batch.edge_index.shape) == (0, 0, 0, (2, 0))
    assert (batch.ptr.tolist(), batch.rowptr.tolist(), batch.y.shape) == ([0], [0], (0,))


def test_a_limit_spreads_over_the_split() -> None:
    for shuffle in (False, True):
        loader = Loader(PACKED, batch_size=3, limit=8, shuffle=shuffle)
        spread = [i * PACKED.num_graphs // 8 for i in range(8)]
        assert sorted(visited(list(loader.epoch(0)))) == spread
        assert loader.num_batches() == 3
    assert Loader(PACKED, limit=500).packed is PACKED


def test_a_limit_leaves_one_graph_whole() -> None:
    packed = numbered([30]).with_node(mask=torch.arange(30) < 7)
    (batch,) = Loader(packed, limit=8, shuffle=True).epoch(0)
    assert batch.mask is not None
    assert (batch.num_nodes, int(batch.mask.sum())) == (30, 7)
    assert batch.edge_index.data_ptr() == packed.edge_index.data_ptr()


def test_one_graph_is_one_batch_that_copies_nothing() -> None:
    packed = numbered([30])
    for shuffle in (False, True):
        (batch,) = Loader(packed, shuffle=shuffle).epoch(3)
        assert batch.edge_index.data_ptr() == packed.edge_index.data_ptr()


def test_one_graph_is_the_same_batch_in_every_epoch() -> None:
    loader = Loader(numbered([30]), shuffle=True)
    (first,), (second,) = loader.epoch(0), loader.epoch(1)
    assert first is second
    assert first.to("cpu") is first
    assert first.to("meta").ptr.is_meta
    assert first.to("meta") is second.to("meta")
    (other,) = Loader(numbered([30, 3])).epoch(0)
    assert other.to("meta") is not other.to("meta"), "a batch of many is not asked for again"


def test_no_graphs_are_no_batches() -> None:
    for shuffle in (False, True):
        loader = Loader(numbered([]), shuffle=shuffle)
        assert (loader.num_batches(), list(loader.epoch(0))) == (0, [])


def test_graphs_without_nodes_are_visited() -> None:
    assert sorted(
        visited(list(Loader(numbered([0, 3, 0, 0, 2]), batch_size=2, max_nodes=3, shuffle=True).epoch(0)))
    ) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_nodes": 39}, "loader.max_nodes=39 has no room for the largest graph: at least 40"),
        ({"max_edges": 5}, "loader.max_edges=5 has no room for the largest graph: at least 39"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Loader(numbered([40, 3, 40, 1, 1]), **options)
    masked = numbered([2, 3]).with_node(mask=torch.tensor([False, False, True, True, True]))
    with pytest.raises(UsageError, match=r"loader\.limit=1 leaves graphs without a node that has a target"):
        Loader(masked, limit=1)
