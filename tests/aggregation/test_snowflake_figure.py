"""What a snowflake reports, and what its figure draws: depths, edges and their homophily, receptive fields."""

from pathlib import Path

import pytest
import torch

from gnnlab.aggregation.homophily import classes, edge_homophily
from gnnlab.aggregation.node_depth import statistics
from gnnlab.aggregation.snowflake_figure import ball, draw, examples, field
from gnnlab.batch import Batch
from gnnlab.packed import Packed
from gnnlab.testing import sample


def path_of(y: list[int], loops: bool = False) -> Batch:
    """Nodes in a row, joined both ways."""
    nodes = torch.arange(len(y))
    edges = torch.stack([nodes[:-1], nodes[1:]])
    own = nodes.expand(2, -1)[:, : len(y) * loops]
    edges = torch.cat([edges, edges.flip(0), own], 1)
    node = {"y": torch.tensor(y)}
    return Packed.from_tensors(torch.tensor([len(y)]), torch.tensor([edges.shape[1]]), edges, node=node).batch()


@pytest.mark.parametrize("loops", [False, True])
def test_homophily(loops: bool) -> None:
    """Of a a b b: two of three pairs; self-loops do not count."""
    batch = path_of([0, 0, 1, 1], loops)
    assert edge_homophily(batch) == pytest.approx(2 / 3)
    only = ((batch.edge_index == 1).any(0) & (batch.edge_index == 2).any(0)).float()
    assert edge_homophily(batch, only) == 0
    assert edge_homophily(batch, torch.zeros(batch.num_edges)) is None


def test_only_classes_have_a_homophily() -> None:
    batch = path_of([0, 1, 0])
    batch.node["y"] = torch.tensor([[1.0], [0.0], [1.0]])
    assert edge_homophily(batch) == 0
    for y in (torch.rand(3, 1), torch.zeros(3, 2)):
        batch.node["y"] = y
        assert classes(batch) is None
    assert edge_homophily(sample().batch()) is None


def test_statistics() -> None:
    """A path whose ends listen in one layer, the rest in two."""
    found = statistics(path_of([0, 0, 1, 1]), torch.tensor([1, 2, 2, 1]), 3)
    assert found["depth_mean"] == 1.5
    assert found["depth_histogram"] == [2, 2, 0]
    assert found["edges_kept_per_layer"] == pytest.approx([1, 4 / 6, 0])
    assert found["homophily_per_layer"] == [pytest.approx(2 / 3), 0.5, None]


def test_a_receptive_field() -> None:
    """Node 0 listens twice: of what 1 has heard of 2, and not of 3, which 2 never tells."""
    batch, depth = path_of([0, 0, 0, 0]), torch.tensor([2, 1, 2, 2])
    heard, edges = field(batch, depth, 0)
    assert heard.tolist() == [True, True, True, False]
    assert sorted(batch.edge_index[:, edges].T.tolist()) == [[0, 1], [1, 0], [2, 1]]


def test_a_ball_and_its_limit() -> None:
    assert ball(path_of([0] * 9), 4, 2).sort().values.tolist() == [2, 3, 4, 5, 6]
    assert len(ball(path_of([0] * 300), 0, 200)) == 60


def test_examples_are_a_shallow_and_a_deep_node() -> None:
    batch, depth = path_of([0] * 9), torch.tensor([1, 1, 1, 3, 3, 3, 2, 2, 2])
    assert [int(depth[node]) for node in examples(batch, depth)] == [1, 3]
    assert len(examples(batch, torch.ones(9, dtype=torch.long))) == 1


@pytest.mark.parametrize("graphs", [[0, 1, 2, 3], [0, 2]])
def test_it_is_drawn_without_classes_and_without_edges(tmp_path: Path, graphs: list[int]) -> None:
    batch = sample().take(torch.tensor(graphs)).batch()
    depth = 1 + torch.arange(batch.num_nodes) % 3
    draw(batch, depth, statistics(batch, depth, 3), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000
