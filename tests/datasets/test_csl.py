"""CSL: exactly the published graphs and folds."""

import pytest
import torch

from gnnlab.datasets.csl import COPIES, CSL, NODES, SKIPS, generate
from gnnlab.datasets.source import DataSource

GRAPHS = generate()


def spectrum(graph: int) -> torch.Tensor:
    batch = GRAPHS.batch(graph, graph + 1)
    adjacency = torch.zeros(NODES, NODES, dtype=torch.float64)
    adjacency[batch.edge_index[0], batch.edge_index[1]] = 1
    return torch.linalg.eigvalsh(adjacency)


def published_spectrum(skip: int) -> torch.Tensor:
    """λ_j = 2 cos(2πj/n) + 2 cos(2πjR/n): the eigenvalues of a circulant."""
    angle = 2 * torch.pi * torch.arange(NODES, dtype=torch.float64) / NODES
    return (2 * torch.cos(angle) + 2 * torch.cos(skip * angle)).sort().values


def test_150_regular_graphs_of_41_nodes() -> None:
    assert GRAPHS.num_graphs == 150
    assert GRAPHS.ptr.diff().unique().tolist() == [41]
    assert GRAPHS.rowptr.diff().unique().tolist() == [4]
    assert GRAPHS.colptr.diff().unique().tolist() == [4]
    source, target = GRAPHS.edge_index
    assert torch.equal(GRAPHS.edge_index[:, GRAPHS.transpose].flip(0), GRAPHS.edge_index), "undirected"
    assert (source != target).all()
    assert len(torch.unique(GRAPHS.edge_index, dim=1)[0]) == 150 * 164
    assert GRAPHS.graph["y"].bincount().tolist() == [COPIES] * 10


def test_each_graph_is_a_renumbered_copy_of_its_class_and_no_two_classes_are_alike() -> None:
    published = torch.stack([published_spectrum(skip) for skip in SKIPS])
    for graph in range(150):
        distance = (published - spectrum(graph)).abs().amax(1)
        assert distance.argmin() == GRAPHS.graph["y"][graph]
        assert distance.min() < 1e-9 < 1e-2 < distance.sort().values[1]
    copies = {tuple(GRAPHS.batch(graph, graph + 1).edge_index.flatten().tolist()) for graph in range(150)}
    assert len(copies) == 150


def test_folds_are_stratified_disjoint_and_test_every_graph_once(source: DataSource) -> None:
    tested = []
    for fold in range(CSL.num_folds):
        splits, spec = CSL(source, fold=fold).load()
        graphs = {
            name: [tuple(p.batch(i, i + 1).edge_index[0].tolist()) for i in range(p.num_graphs)]
            for name, p in splits.items()
        }
        assert {name: len(set(rows)) for name, rows in graphs.items()} == {"train": 90, "val": 30, "test": 30}
        assert len(set().union(*graphs.values())) == 150
        assert {name: set(p.graph["y"].bincount().tolist()) for name, p in splits.items()} == {
            "train": {9},
            "val": {3},
            "test": {3},
        }
        assert spec.in_degrees == (0, 0, 0, 0, 90 * 41)
        tested += graphs["test"]
    assert len(set(tested)) == 150


def test_generation_is_the_same_every_time() -> None:
    assert torch.equal(generate().edge_index, GRAPHS.edge_index)


@pytest.mark.parametrize("skip", SKIPS)
def test_a_skip_link_graph_is_simple(skip: int) -> None:
    graph = GRAPHS.batch(SKIPS.index(skip) * COPIES, SKIPS.index(skip) * COPIES + 1)
    assert graph.edge_index.shape == (2, 164)
