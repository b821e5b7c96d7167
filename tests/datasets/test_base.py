"""What every dataset does by itself: caching, and telling its author what is wrong with it."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from gnnlab.datasets.base import Dataset
from gnnlab.datasets.source import DataSource
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import graphs_of_all_kinds


@dataclass(frozen=True)
class Own(Dataset):
    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")
    builds: ClassVar[list[str]] = []
    size: int = 1

    def spec(self) -> GraphSpec:
        return GraphSpec("own", "graph", "regression", 1, "mae", Feature.categorical(28), Feature.categorical(4))

    def build(self) -> dict[str, Packed]:
        self.builds.append(type(self).__name__)
        return {split: Packed.from_graphs(graphs_of_all_kinds()) for split in ("train", "val", "test")}


class Heir(Own):
    pass


def test_every_option_is_part_of_the_key(source: DataSource) -> None:
    Own.builds.clear()
    for size in (1, 2, 1):
        Own(source, size=size).load()
    assert Own.builds == ["Own", "Own"]


def test_is_built_once_for_each_class(source: DataSource) -> None:
    Own.builds.clear()
    for kind in (Own, Heir, Own, Heir):
        kind(source).load()
    assert Own.builds == ["Own", "Heir"]


def test_one_of_a_notebook_is_built_anew(source: DataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    Own.builds.clear()
    monkeypatch.setattr(Heir, "__module__", "notebook")
    for _ in range(2):
        Heir(source).load()
    assert Own.builds == ["Heir", "Heir"]


@pytest.mark.parametrize("gives", [("node_level", "edge_attr"), ("graph_level",), ("graph_level", "edge_atr"), ()])
def test_what_it_gives_is_held_to_its_spec(
    source: DataSource, monkeypatch: pytest.MonkeyPatch, gives: tuple[str, ...]
) -> None:
    monkeypatch.setattr(Heir, "gives", gives, raising=False)
    with pytest.raises(UsageError, match=r"Heir.gives is .*, but its spec\(\) says edge_attr, graph_level: name these"):
        Heir(source).load()


def test_a_forgotten_method_is_named(source: DataSource) -> None:
    class Unbuilt(Dataset):
        spec = Own.spec

    with pytest.raises(TypeError, match=r"abstract class Unbuilt .*build"):
        Unbuilt(source)  # pyright: ignore[reportAbstractUsage]
