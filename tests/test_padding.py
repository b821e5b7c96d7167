"""Dummy graphs change nothing: for any model, loss or metric, in training, to float64's rounding."""

import math
from copy import deepcopy
from dataclasses import fields, replace
from typing import get_args

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build, conf_dir
from gnnlab.datasets.loader import Loader
from gnnlab.errors import UsageError
from gnnlab.nn.norm import Norm
from gnnlab.packed import Packed
from gnnlab.padding import Padding, Size, check_model, pad
from gnnlab.spec import GraphSpec, Level
from gnnlab.tasks import make_task
from gnnlab.testing import assert_padding_changes_nothing, random_graph, sample, sample_spec, small
from gnnlab.trainer.cudagraph import check_static


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml") if path.stem != "none")


COMPOSITIONS = sorted(
    {f"model=gps model/conv={conv}" for conv in options("model/conv")}
    | {f"model=gps model/conv=none model/mixer={mixer}" for mixer in options("model/mixer")}
    | {f"model=mpnn model/conv={conv} model/head=depthwise" for conv in options("model/conv")}
    | {f"model={model} model.norm={norm}" for model in ("gps", "mpnn") for norm in get_args(Norm)}
    | {f"model=mpnn model/head=flat encoding=[{name}]" for name in options("encoding")}
)


@pytest.fixture(scope="module", params=COMPOSITIONS)
def at_graph_level(request: pytest.FixtureRequest) -> tuple[nn.Module, Packed]:
    return composed(request.param, "graph")


def composed(composition: str, level: Level) -> tuple[nn.Module, Packed]:
    """The model, without dropout, and graphs with its encodings."""
    depth = [] if composition == "model=mlp" else ["model.num_layers=2"]
    cfg = compose(*composition.split(), "dataset=zinc", "preset=none", "model.hidden_dim=32", *depth)
    for path in ("model", "model.mixer"):
        section = cfg.model if path == "model" else cfg.model.get("mixer")
        if section and "dropout" in section:
            section.dropout = 0.0
    encodings = [build(section) for section in (cfg.get("encoding") or {}).values()]
    torch.manual_seed(0)
    model = build(cfg.model, spec=sample_spec(level), encodings=encodings)
    return model, small(sample(encodings))


def test_models(at_graph_level: tuple[nn.Module, Packed]) -> None:
    assert_padding_changes_nothing(*at_graph_level)


@pytest.mark.parametrize("model", options("model"))
def test_models_at_node_level(model: str) -> None:
    assert_padding_changes_nothing(*composed(f"model={model}", "node"))


def test_a_step_looks_at_no_value(at_graph_level: tuple[nn.Module, Packed]) -> None:
    """Tensors of the device "meta" have shapes alone: whatever a captured step could not do raises there."""
    model, graphs = deepcopy(at_graph_level)
    if not all(getattr(part, "static_shapes", True) for part in model.modules()):
        with pytest.raises(UsageError, match=r"the shapes in the model's .* depend on values"):
            check_static(model)
        return
    check_static(model)
    graphs.graph["y"] = torch.zeros(graphs.num_graphs, 3)
    nodes, edges, count, longest = Size.of(graphs.batch())
    batch, model = pad(graphs.batch(), Size(nodes + 3, edges + 5, count + 1, longest)).to("meta"), model.to("meta")
    make_task(sample_spec("graph")).loss(model(batch), batch).backward()


def loops(nodes: int, edges: int) -> tuple[int, list[int]]:
    """A dummy graph: its nodes, and the node of each of its self-loops."""
    return nodes, [edge * nodes // edges for edge in range(edges)]


@pytest.mark.parametrize(
    ("extra", "dummies"),
    [
        (Size(0, 0, 0, 0), []),
        (Size(0, 0, 2, 0), [loops(0, 0)] * 2),
        (Size(5, 0, 1, 0), [loops(5, 0)]),
        (Size(3, 7, 1, 5), [loops(3, 7)]),
        (Size(6, 12, 3, 1), [loops(2, 4)] * 3),
        (Size(1, 2, 2, 0), [loops(0, 0), loops(1, 2)]),
    ],
)
def test_a_padded_batch_is_that_of_the_graphs_and_the_dummies(
    extra: Size, dummies: list[tuple[int, list[int]]]
) -> None:
    batch = sample().batch()
    size = Size(*(there + more for there, more in zip(Size.of(batch), extra, strict=True)))
    looped = torch.tensor([node for _, nodes in dummies for node in nodes], dtype=torch.long)
    first = batch.ptr[batch.batch[batch.edge_index[0]]]
    expected = Packed.from_tensors(
        torch.cat([batch.ptr.diff(), torch.tensor([nodes for nodes, _ in dummies], dtype=torch.long)]),
        torch.cat([sample().edge_ptr.diff(), torch.tensor([len(nodes) for _, nodes in dummies], dtype=torch.long)]),
        torch.cat([batch.edge_index - first, looped.expand(2, -1)], 1),
        {name: nn.functional.pad(value, (0, 0, 0, extra.nodes)) for name, value in batch.node.items()},
        {name: nn.functional.pad(value, (0, 0, 0, extra.edges)) for name, value in batch.edge.items()},
        {name: nn.functional.pad(value, (0, 0, 0, extra.graphs)) for name, value in batch.graph.items()},
    ).batch()
    padded = pad(batch, size)
    assert Size.of(padded) == size
    assert [int(rows) for rows in padded.real] == list(Size.of(batch)[:3])
    for field in fields(Batch):
        found, value = getattr(padded, field.name), getattr(expected, field.name)
        if field.name not in ("max_nodes", "real"):
            assert_close(found, value, rtol=0, atol=0, msg=field.name)


LABELS = torch.tensor([2, 0, 0, 1, 2, 2, 0])
TASKS = [
    GraphSpec("t", "graph", "regression", 2, "mae"),
    GraphSpec("t", "graph", "binary", 1, "roc_auc"),
    GraphSpec("t", "graph", "binary", 1, "balanced_accuracy", weighted_loss=True),
    GraphSpec("t", "graph", "multiclass", 3, "accuracy"),
    GraphSpec("t", "graph", "multiclass", 4, "balanced_accuracy", weighted_loss=True),
    GraphSpec("t", "graph", "multilabel", 3, "ap"),
    GraphSpec("t", "graph", "sequence", 3, "subtoken_f1", length=2),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("level", ["graph", "node"])
@pytest.mark.parametrize("spec", TASKS, ids=lambda spec: f"{spec.target}{' weighted' * spec.weighted_loss}")
def test_losses_gradients_and_scores(spec: GraphSpec, level: Level, masked: bool) -> None:
    task, batch = make_task(replace(spec, level=level)), sample().batch()
    generator = torch.Generator().manual_seed(0)
    rows = batch.num_graphs if level == "graph" else batch.num_nodes
    y = LABELS[torch.arange(rows) % len(LABELS)]
    if spec.target == "sequence":
        y = torch.stack([y, y.flip(0)], dim=1)
    elif spec.target != "multiclass":
        y = (y[:, None] >= torch.arange(spec.num_targets)).double()
    if spec.target == "multilabel":
        y[torch.rand(y.shape, generator=generator) < 0.3] = math.nan
    words = {"words": y} if spec.target == "sequence" else {}
    batch.graph, batch.node = ({"y": y, **words}, batch.node) if level == "graph" else (words, {**batch.node, "y": y})
    if masked:
        batch.node["mask"] = torch.rand(rows, generator=generator) < 0.5
    nodes, edges, graphs, longest = Size.of(batch)
    padded = pad(batch, Size(nodes + 9, edges, graphs + 2, longest))
    if masked and level == "graph":
        padded.node["mask"] = nn.functional.pad(batch.node["mask"], (0, 2))
    out = torch.randn(rows, spec.out_dim, generator=generator, dtype=torch.float64).requires_grad_()
    wide = torch.cat([out.detach(), torch.randn(len(padded.y) - rows, spec.out_dim)]).requires_grad_()
    loss, same = task.loss(out, batch), task.loss(wide, padded)
    loss.backward()
    same.backward()
    assert out.grad is not None
    assert wide.grad is not None
    assert_close(same, loss, rtol=1e-12, atol=0)
    assert_close(wide.grad[:rows], out.grad, rtol=1e-12, atol=1e-15)
    assert not wide.grad[rows:].any()
    task.loss(wide.to("meta"), padded.to("meta"))  # looks at no value
    assert task.count(padded) == task.count(batch)
    for found, expected in zip(task.predictions(wide, padded), task.predictions(out, batch), strict=True):
        assert torch.equal(found.nan_to_num(-1), expected.nan_to_num(-1))


def molecules(count: int, seed: int = 0) -> Packed:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(9, 38, (count,), generator=generator).tolist()
    return Packed.from_graphs([random_graph(n, 2 * n, generator) for n in sizes])


def test_sizes_hold_the_batches_of_other_epochs_and_waste_little() -> None:
    loader = Loader(molecules(640), batch_size=32, shuffle=True)
    padding = Padding(loader.epoch(0), 4)
    assert padding.sizes == Padding(loader.epoch(0), 4).sizes
    assert len(padding.sizes) == 4
    assert all(padding(batch).is_padded for batch in loader.epoch(0))
    batches = [batch for epoch in range(1, 10) for batch in loader.epoch(epoch)]
    padded = [padding(batch) for batch in batches]
    assert {Size.of(batch) for batch in padded if batch.is_padded} == set(padding.sizes)
    assert sum(batch.is_padded for batch in padded) >= 0.95 * len(padded)
    assert sum(batch.num_nodes for batch in padded) < 1.15 * sum(batch.num_nodes for batch in batches)


@pytest.mark.parametrize("limits", [{"batch_size": 32}, {"batch_size": None, "max_nodes": 300}, {"batch_size": 2}])
def test_dummies_look_like_graphs_of_the_data(limits: dict) -> None:
    loader = Loader(molecules(130), shuffle=True, **limits)
    padding = Padding(loader.epoch(0), 3)
    assert padding.longest == max(batch.max_nodes for batch in loader.epoch(0))
    for batch in loader.epoch(0):
        padded = padding(batch)
        assert padded.ptr.diff().max() <= padding.longest
        assert all(degree <= 2 * padding.degree for degree in padded.rowptr.diff()[batch.num_nodes :])


def test_what_is_larger_than_every_size_stays_as_it_is() -> None:
    padding = Padding(Loader(molecules(64), batch_size=8).epoch(0), 2)
    larger = molecules(64).batch()
    assert padding(larger) is larger
    assert Padding([], 4)(larger) is larger


def test_batches_too_small_for_a_variance_stay_as_they_are() -> None:
    """A norm over one real row, or none, has nothing to divide by; without dummies it keeps its old statistics."""
    pair = random_graph(2, 0, torch.Generator().manual_seed(0))
    graphs = [pair, pair, *[random_graph(9, 20, torch.Generator())] * 5]
    batches = list(Loader(Packed.from_graphs(graphs), 2).epoch(0))
    padding = Padding(batches, 1)
    assert [batch.num_graphs for batch in batches] == [2, 2, 2, 1]
    assert [padding(batch).is_padded for batch in batches] == [False, True, True, False]


def test_batches_of_one_size_need_one_size() -> None:
    same = Packed.from_graphs([random_graph(9, 20, torch.Generator().manual_seed(0)) for _ in range(12)])
    (size,) = Padding(Loader(same, batch_size=3).epoch(0), 4).sizes
    assert size == Size(27, 3 * same.num_edges // 12, 4, 9)


def test_dummies_of_a_deep_network_of_sums_do_not_overflow() -> None:
    """A node with all the extra edges would be multiplied by their number in every layer."""
    cfg = compose("model=gin", "dataset=zinc", "preset=none", "model.hidden_dim=32", "model.num_layers=16")
    torch.manual_seed(0)
    model = build(cfg.model, spec=sample_spec("node"), encodings=[])
    loader = Loader(molecules(128), batch_size=32, shuffle=True)
    padding = Padding(loader.epoch(0), 1)
    for batch in loader.epoch(0):
        out, rows = model(padding(batch)).abs(), batch.num_nodes
        assert out[rows:].max() < 100 * out[:rows].max()


def test_a_model_that_would_count_dummies_is_refused() -> None:
    check_model(composed("model=gps encoding=[rwse]", "graph")[0])
    with pytest.raises(UsageError, match="the model's 1 is a BatchNorm1d that counts dummy rows"):
        check_model(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
