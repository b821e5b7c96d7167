"""PATTERN and CLUSTER: the published recipe, up to chance."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gnnlab.datasets.sbm import Cluster, Pattern, pattern, pattern_graph
from gnnlab.datasets.source import DataSource
from gnnlab.packed import Packed


def density(packed: Packed, chosen) -> float:
    """The share of joined pairs among ordered pairs (i, j), i ≠ j, of one graph that `chosen(y_i, y_j)` picks."""
    joined = pairs = 0
    for graph in range(packed.num_graphs):
        batch = packed.batch(graph, graph + 1)
        y = batch.y.flatten()
        adjacency = torch.zeros(len(y), len(y), dtype=torch.bool)
        adjacency[batch.edge_index[0], batch.edge_index[1]] = True
        picked = chosen(y[:, None], y[None, :]).fill_diagonal_(False)
        joined += int((adjacency & picked).sum())
        pairs += int(picked.sum())
    return joined / pairs


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return DataSource(str(tmp_path_factory.mktemp("data")), download=False)


@pytest.fixture(scope="module")
def clusters(source: DataSource) -> dict[str, Packed]:
    return Cluster(source, num_train=200, num_val=20, num_test=30).load()[0]


@pytest.fixture(scope="module")
def patterns(source: DataSource) -> dict[str, Packed]:
    return Pattern(source, num_train=200, num_val=20, num_test=30).load()[0]


def test_sizes_are_those_asked_for(clusters: dict[str, Packed], patterns: dict[str, Packed]) -> None:
    for splits in (clusters, patterns):
        assert {name: packed.num_graphs for name, packed in splits.items()} == {"train": 200, "val": 20, "test": 30}


def test_graphs_are_simple_undirected_and_of_published_size(
    clusters: dict[str, Packed], patterns: dict[str, Packed]
) -> None:
    for splits in (clusters, patterns):
        packed = splits["train"]
        assert torch.equal(packed.edge_index[:, packed.transpose].flip(0), packed.edge_index)
        assert (packed.edge_index[0] != packed.edge_index[1]).all()
        nodes = packed.ptr.diff()
        assert 30 <= nodes.min() <= nodes.max() <= 6 * 34
        assert abs(nodes.float().mean() - 117) < 6


def test_cluster_densities_and_labelled_nodes(clusters: dict[str, Packed]) -> None:
    train = clusters["train"]
    assert density(train, lambda a, b: a == b) == pytest.approx(0.55, abs=0.005)
    assert density(train, lambda a, b: a != b) == pytest.approx(0.25, abs=0.005)
    x, y = train.node["x"].argmax(1), train.node["y"]
    owner = train.batch().batch
    for community in range(6):
        labelled = x == community + 1
        assert (y[labelled] == community).all()
        assert torch.equal(owner[labelled], torch.arange(200))
    assert y.bincount().min() > 5 * 200


def test_pattern_densities_and_types(patterns: dict[str, Packed]) -> None:
    train = patterns["train"]
    assert density(train, lambda a, b: (a == 1) & (b == 1)) == pytest.approx(0.5, abs=0.02)
    assert density(train, lambda a, b: (a == 1) != (b == 1)) == pytest.approx(0.5, abs=0.005)
    # Of five communities of 19.5 nodes a sixth or so of the pairs lie within one: 0.35 + 0.15 · share.
    assert 0.37 < density(train, lambda a, b: (a == 0) & (b == 0)) < 0.40
    assert train.node["x"].mean(0).sub(1 / 3).abs().max() < 0.02
    assert train.node["y"].shape == (train.num_nodes, 1)


def test_a_pattern_recurs_with_its_edges_and_types() -> None:
    import numpy as np

    random = np.random.default_rng(0)
    adjacency, types = pattern(random)
    for _ in range(3):
        joined, node_types, labels = pattern_graph(random, adjacency, types)
        inside = labels.nonzero()[0]
        found = joined[np.ix_(inside, inside)]
        assert sorted(node_types[inside]) == sorted(types)
        assert sorted(found.sum(0)) == sorted(adjacency.sum(0))


def test_the_seed_and_nothing_else_decides(source: DataSource, tmp_path: Path) -> None:
    small = Pattern(source, num_train=3, num_val=1, num_test=1)
    again = replace(small, source=DataSource(str(tmp_path)))
    assert torch.equal(small.load()[0]["train"].edge_index, again.load()[0]["train"].edge_index)
    other = replace(small, seed=1)
    assert not torch.equal(small.load()[0]["train"].ptr, other.load()[0]["train"].ptr)


def test_pattern_with_two_classes(source: DataSource, patterns: dict[str, Packed]) -> None:
    splits, spec = Pattern(source, num_train=200, num_val=20, num_test=30, binary=False).load()
    assert (spec.target, spec.num_targets) == ("multiclass", 2)
    assert torch.equal(splits["val"].node["y"], patterns["val"].node["y"][:, 0].long())
