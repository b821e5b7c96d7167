"""Edge level: labelled pairs stay with their graphs, are read by every head, and are scored."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close
from torch_geometric.data import Batch as PyGBatch
from torch_geometric.data import Data

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.cache import Cache
from gnnlab.datasets.check import check_split
from gnnlab.errors import UsageError
from gnnlab.nn.head import Dot, Pyramid
from gnnlab.ops import backend
from gnnlab.ops.assemble import assemble
from gnnlab.packed import Packed
from gnnlab.padding import Padding, Size, pad
from gnnlab.spec import Feature, GraphSpec
from gnnlab.tasks import make_task
from gnnlab.tasks.metrics import reciprocal_ranks
from gnnlab.testing import graphs_of_all_kinds, sample, sample_spec


def with_pairs(data: Data, seed: int) -> Data:
    random = torch.Generator().manual_seed(seed)
    pairs = torch.randint(data.num_nodes or 0, (2, 3 * (seed % 4)), generator=random)
    return Data(**data.to_dict(), edge_label_index=pairs, edge_label=torch.randn(pairs.shape[1], 1, generator=random))


GRAPHS = [with_pairs(data, seed) for seed, data in enumerate(graphs_of_all_kinds())]
PACKED = Packed.from_graphs(GRAPHS)
LINKS = GraphSpec("links", "edge", "binary", 1, "mrr", Feature.categorical(28), Feature.categorical(4))


def with_targets_of_edges() -> Packed:
    graphs = [data.to_dict() for data in graphs_of_all_kinds()]
    return Packed.from_graphs([Data(**{**data, "y": data["edge_attr"][:, 0]}) for data in graphs], level="edge")


def assert_as_pyg(ours: Batch, chosen: list[int]) -> None:
    theirs = PyGBatch.from_data_list([GRAPHS[number] for number in chosen])
    assert torch.equal(ours.edge_label_index, theirs["edge_label_index"])
    assert torch.equal(ours.y, theirs["edge_label"])


def test_pairs_stay_with_their_graphs() -> None:
    assert_as_pyg(PACKED.batch(), list(range(7)))
    assert_as_pyg(PACKED.batch(2, 5), [2, 3, 4])
    assert_as_pyg(PACKED.take(torch.tensor([6, 0, 3, 3])).batch(1, 4), [0, 3, 3])
    assert_as_pyg(PACKED.batch().to("cpu"), list(range(7)))


@pytest.mark.parametrize("mode", ["reference", "auto"])
def test_pairs_come_with_assembled_batches(mode: backend.Mode) -> None:
    with backend.using(mode):
        for batch, chosen in zip(
            assemble(PACKED, torch.tensor([5, 3, 1, 0, 6]), [(0, 3), (3, 5)]), ([5, 3, 1], [0, 6]), strict=True
        ):
            assert_as_pyg(batch, chosen)


def test_pairs_are_cached(tmp_path) -> None:
    for _ in range(2):
        found = Cache(tmp_path).packed("links", {}, lambda: {"train": PACKED})["train"]
        assert_as_pyg(found.batch(), list(range(7)))


def test_other_levels_have_none() -> None:
    graphs = sample()
    assert graphs.pair == graphs.batch().pair == graphs.take(torch.tensor([1])).pair == {}


def test_targets_of_edges_belong_to_the_edges() -> None:
    packed = with_targets_of_edges()
    batch = packed.batch()
    assert torch.equal(batch.edge_label_index, batch.edge_index)
    assert torch.equal(batch.y, batch.edge["edge_attr"][:, 0])
    listed = packed.with_edges_as_pairs().batch()
    assert torch.equal(listed.edge_label_index, batch.edge_index)
    assert torch.equal(listed.y, batch.y)


def test_targets_outlive_the_edges_that_are_taken_away() -> None:
    packed = with_targets_of_edges()
    kept = torch.rand(packed.num_edges, generator=torch.Generator().manual_seed(0)) < 0.5
    less = packed.keep_edges(kept).batch()
    assert less.num_edges == int(kept.sum())
    assert torch.equal(less.edge_label_index, packed.edge_index)
    assert torch.equal(less.y, packed.edge["y"])


def test_mistakes_are_named() -> None:
    one, label = torch.tensor([1]), torch.zeros(1, 1)
    pair = Packed.from_tensors(torch.tensor([2]), one, torch.tensor([[0], [1]]))
    with pytest.raises(UsageError, match=r"Graph 0 has a labelled pair with a node it does not have \(2 nodes\)"):
        pair.with_pairs(one, torch.tensor([[0], [2]]), label)
    with pytest.raises(UsageError, match=r"1 labelled pairs, 2 labels, and counts for 1 graphs .* do not go together"):
        pair.with_pairs(one, torch.tensor([[0], [1]]), torch.zeros(2, 1))
    bad = Data(**{**GRAPHS[3].to_dict(), "edge_label_index": torch.full((2, 9), 37)})
    with pytest.raises(UsageError, match="Graph 3 has a labelled pair with a node it does not have"):
        Packed.from_graphs([*GRAPHS[:3], bad])
    with pytest.raises(UsageError, match="links, split val, graph 1: edge_label is neither 0 nor 1"):
        check_split("val", PACKED, LINKS)
    with pytest.raises(UsageError, match="links, split val: y is missing"):
        check_split("val", sample(), LINKS)
    with pytest.raises(UsageError, match="head=dot scores pairs of nodes, and the targets of sample are of nodes"):
        Dot(8, 2, sample_spec("node"))
    with pytest.raises(UsageError, match="dot needs targets per pair of nodes, which dataset=zinc does not give"):
        compose("model=gps", "model/head=dot", "dataset=zinc", "preset=none")


def test_the_dot_head_by_hand() -> None:
    head, x, (i, j) = Dot(4, 2, sample_spec("edge")), torch.randn(PACKED.num_nodes, 4), PACKED.batch().edge_label_index
    (linear,) = head.mlp.linears
    states = linear(x).reshape(-1, 3, 4)
    assert_close(head([x], PACKED.batch()), torch.einsum("pkd,pkd->pk", states[i], states[j]))


def test_padding_knows_edges_and_refuses_pairs() -> None:
    with pytest.raises(UsageError, match=r"trainer\.pad .* the targets of this dataset are of listed pairs"):
        Padding([PACKED.batch()], 1)
    spec = replace(LINKS, target="multiclass", num_targets=4, metric="accuracy", weighted_loss=True)
    batch = Packed.from_graphs(graphs_of_all_kinds()).batch()
    batch.graph, batch.edge["y"] = {}, batch.edge["edge_attr"][:, 0]
    nodes, edges, count, longest = Size.of(batch)
    padded = pad(batch, Size(nodes + 5, edges + 20, count + 2, longest))
    head, task = Pyramid(8, 1, spec), make_task(spec)
    x = torch.randn(padded.num_nodes, 8)
    out = [head([x[: one.num_nodes]], one) for one in (batch, padded)]
    assert_close(task.loss(out[1], padded), task.loss(out[0], batch))
    assert task.count(padded) == task.count(batch) == edges
    assert_close(task.predictions(out[1], padded), task.predictions(out[0], batch))


def test_ranks_by_hand() -> None:
    """Head 0 has the tails 0 … 3; 1 and 2 are true. Head 1 has 0 (true) and 1, which tie."""
    pairs = torch.tensor([[0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 0, 1]])
    scores, true = torch.tensor([5.0, 4, 3, 1, 2, 2]), torch.tensor([0, 1, 1, 0, 1, 0]) == 1
    expected = 1 / torch.tensor([[2, 2, 1], [3, 2, 1], [1.5, 1.5, 1]], dtype=torch.float64)
    assert_close(reciprocal_ranks(scores, true, pairs), expected)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    shuffled = reciprocal_ranks(scores[order], true[order], pairs[:, order])
    assert_close(shuffled, expected[[2, 1, 0]])


def test_ranks_equal_the_definition() -> None:
    """All pairs of one graph: the place of each true pair in its row, sorted."""
    random, size = torch.Generator().manual_seed(0), 12
    scores, true = torch.randn(size, size, generator=random), torch.rand(size, size, generator=random) < 0.2
    pairs = torch.cartesian_prod(torch.arange(size), torch.arange(size)).T
    for column, keep in enumerate((torch.ones_like(true), ~true, ~true & ~torch.eye(size, dtype=torch.bool))):
        places = [1 + int((scores[h, keep[h]] > scores[h, t]).sum()) for h, t in true.nonzero().tolist()]
        found = reciprocal_ranks(scores.flatten(), true.flatten(), pairs)[:, column]
        assert_close(found, 1 / torch.tensor(places, dtype=torch.float64))


def test_a_constant_model_ranks_in_the_middle_and_graphs_weigh_the_same() -> None:
    """Graphs of 3 and 5 nodes, all pairs of the first node; one true pair, and two."""
    sizes = torch.tensor([3, 5])
    index = torch.tensor([[0] * 8, [*range(3), *range(5)]])
    label = torch.tensor([0, 0, 1, 0, 1, 1, 0, 0]).float()[:, None]
    graphs = Packed.from_tensors(sizes, 0 * sizes, index[:, :0]).with_pairs(sizes, index, label)
    task, batch = make_task(LINKS), graphs.batch()
    rows, count = task.predictions(torch.zeros(8, 1), batch)
    assert_close(task.score(rows, count)["mrr"], (1 / 2 + 1 / 3) / 2)
    assert_close(task.score(rows, count)["mrr_filtered"], (1 / 2 + 1 / 2.5) / 2)
    assert_close(task.score(rows, count)["mrr_extended"], (1 / 1.5 + 1 / 2) / 2)
    assert task.score(*task.predictions(label, batch))["mrr"] == (1 + (1 / 1.5)) / 2, "true pairs still compete"
    assert task.count(batch) == 8
    assert task.maximize
    parts = [
        task.predictions(torch.zeros(8, 1)[rows], graphs.batch(g, g + 1))
        for g, rows in ((0, slice(3)), (1, slice(3, 8)))
    ]
    assert torch.equal(torch.cat([part[0] for part in parts]), rows)


def test_f1_of_the_positive_class() -> None:
    spec = replace(LINKS, target="multiclass", num_targets=2, metric="binary_f1")
    y, out = torch.tensor([1, 1, 0, 0, 0]), torch.eye(2)[torch.tensor([1, 0, 1, 0, 0])]
    assert make_task(spec).score(out, y) == {"binary_f1": 0.5}
    assert make_task(spec).score(out[3:], y[3:]) == {"binary_f1": 0.0}
