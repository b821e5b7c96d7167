"""The check of a split names data set, split and graph of the first wrong value."""

from dataclasses import replace

import pytest
import torch

from gnnlab.datasets.check import check_split
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import graphs_of_all_kinds

PACKED = Packed.from_graphs(graphs_of_all_kinds())
SPEC = GraphSpec("toy", "graph", "regression", 1, "mae", Feature.categorical(28), Feature.categorical(4))


def test_good_data_passes() -> None:
    check_split("train", PACKED, SPEC)


@pytest.mark.parametrize(
    ("kind", "name", "row", "value", "where"),
    [
        ("node", "x", 2, 28, "graph 1, node 1"),
        ("node", "x", 0, -1, "graph 0, node 0"),
        ("edge", "edge_attr", -1, 4, "graph 6"),
        ("graph", "y", 3, float("nan"), "graph 3"),
    ],
)
def test_a_wrong_value_is_found(kind: str, name: str, row: int, value: float, where: str) -> None:
    wrong = getattr(PACKED, kind)[name].clone()
    wrong[row] = value
    packed = replace(PACKED, **{kind: {**getattr(PACKED, kind), name: wrong}})
    with pytest.raises(UsageError, match=f"toy, split val, {where}: {name}"):
        check_split("val", packed, SPEC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node": Feature.continuous(3)}, "x is torch.int64 of shape"),
        ({"edge": Feature.categorical(4, 4)}, "edge_attr is torch.int64 of shape"),
        ({"level": "node"}, "y is missing"),
        ({"target": "multiclass", "num_targets": 2, "metric": "accuracy"}, "y is torch.float32 of shape"),
        ({"target": "binary", "metric": "ap"}, "y is neither 0 nor 1"),
        ({"num_targets": 2}, "must be torch.float32 of shape"),
    ],
)
def test_data_of_another_kind_than_specified_is_refused(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_split("train", PACKED, replace(SPEC, **change))


def test_missing_labels_of_several_tasks_are_fine() -> None:
    y = torch.tensor([[0.0, float("nan")]]).repeat(PACKED.num_graphs, 1)
    packed = replace(PACKED, graph={"y": y})
    check_split("train", packed, replace(SPEC, target="multilabel", metric="ap", num_targets=2))
    nothing = replace(PACKED, graph={"y": torch.full_like(y, float("nan"))})
    with pytest.raises(UsageError, match="toy, split val: no y is known"):
        check_split("val", nothing, replace(SPEC, target="multilabel", metric="ap", num_targets=2))
    with pytest.raises(UsageError, match="graph 0"):
        check_split("train", packed, replace(SPEC, target="binary", metric="ap", num_targets=2))
