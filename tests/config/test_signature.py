"""Signatures read from source agree with those Python finds by importing."""

import inspect
from importlib import import_module

import pytest

from gnnlab.config.signature import Signature, facts, signature
from gnnlab.config.source import Missing, find

TARGETS = [
    "torch.nn.Linear",
    "torch.nn.BatchNorm1d",
    "torch.optim.AdamW",
    "torch.optim.lr_scheduler.CosineAnnealingLR",
    "torch.nn.functional.cross_entropy",
    "torch_geometric.nn.GCNConv",
    "torch_geometric.nn.models.GIN",
    "torch_geometric.nn.global_add_pool",
    "torch_geometric.datasets.ZINC",
    "torchmetrics.MeanAbsoluteError",
    "gnnlab.models.gps.GPS",
    "gnnlab.nn.head.Flat",
    "gnnlab.spec.GraphSpec",
    "gnnlab.spec.Feature",
]


def imported(target: str) -> tuple[dict[str, bool], bool]:
    module, _, name = target.rpartition(".")
    parameters = inspect.signature(getattr(import_module(module), name)).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return {p.name: p.default is p.empty for p in named}, any(p.kind is p.VAR_KEYWORD for p in parameters)


def static(target: str) -> Signature | None:
    definition = find(target)
    return signature(definition) if definition else None


@pytest.mark.parametrize("target", TARGETS)
def test_it_agrees_with_inspect(target: str) -> None:
    found = static(target)
    assert found is not None
    names, is_open = imported(target)
    assert {name: parameter.required for name, parameter in found.parameters.items()} == names
    assert found.open == is_open


@pytest.mark.usefixtures("conf")
def test_dataclasses_inheritance_and_facts() -> None:
    walks = find("standin.Walks")
    assert walks is not None
    assert list(signature(walks).parameters) == ["dim", "steps"]
    assert facts(find("standin.Waves"), "needs") == ("undirected",)
    assert facts(find("standin.Tiny"), "gives") == ("graph_level",)
    assert facts(find("standin.Sum"), "needs") == ()
    assert list(static("standin.Sum").parameters) == ["dim"]


@pytest.mark.parametrize(
    ("target", "where", "name"),
    [("no_such_package.Thing", "", "no_such_package"), ("gnnlab.nowhere.X", "gnnlab", "nowhere"),
     ("gnnlab.spec.GraphSpek", "gnnlab.spec", "GraphSpek")],
)  # fmt: skip
def test_what_is_missing_is_named(target: str, where: str, name: str) -> None:
    with pytest.raises(Missing) as missing:
        find(target)
    assert (missing.value.where, missing.value.name) == (where, name)


def test_compiled_code_is_not_judged() -> None:
    assert find("torch._C.Generator") is None
