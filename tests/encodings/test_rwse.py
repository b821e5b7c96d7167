"""RWSE: closed forms, the definition by matrix powers, simulated walks, and its learnt half."""

import networkx as nx
import pytest
import torch

from gnnlab.encodings import dense
from gnnlab.encodings.rwse import RWSE
from gnnlab.ops import backend
from tests.graphs import pack


@pytest.fixture(autouse=True, params=["auto", "reference"])
def _served_by(request: pytest.FixtureRequest):
    """The kernel, where there is a compiler, and plain torch."""
    with backend.using(request.param):
        yield


def rwse(*graphs: nx.Graph, steps: int = 20) -> torch.Tensor:
    return RWSE(steps).precompute(pack(*graphs))["rwse"]


def some_graphs(directed: bool) -> list[nx.Graph]:
    return [nx.gnp_random_graph(n, 2 / n, seed=n, directed=directed) for n in (1, 2, 7, 7, 30)]


def by_definition(graph: nx.Graph, steps: int) -> torch.Tensor:
    adjacency = torch.from_numpy(nx.to_numpy_array(graph))
    walk = adjacency / adjacency.sum(1, keepdim=True).clamp(min=1)
    return torch.stack([torch.linalg.matrix_power(walk, k).diagonal() for k in range(1, steps + 1)], 1)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (nx.complete_graph(3), [[0, 0.5, 0.25, 0.375, 0.3125]] * 3),
        (nx.cycle_graph(4), [[0, 0.5, 0, 0.5, 0]] * 4),
        (nx.path_graph(3), [[0, 0.5, 0, 0.5, 0], [0, 1, 0, 1, 0], [0, 0.5, 0, 0.5, 0]]),
        (nx.path_graph(2), [[0, 1, 0, 1, 0]] * 2),
        (nx.path_graph(1), [[0] * 5]),
        (nx.empty_graph(4), [[0] * 5] * 4),
        (nx.DiGraph([(0, 0), (0, 1)]), [[1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32], [0] * 5]),
        (
            nx.MultiDiGraph([(0, 1), (0, 1), (0, 2), (1, 0), (2, 0)]),
            [[0, 1] * 2 + [0], [0, 2 / 3] * 2 + [0], [0, 1 / 3] * 2 + [0]],
        ),
    ],
    ids=["K3", "C4", "P3", "K2", "single node", "edgeless", "self-loop and sink", "parallel edges"],
)
def test_closed_forms(graph, expected):
    torch.testing.assert_close(rwse(graph, steps=5), torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("steps", [1, 2, 3, 16, 20])
@pytest.mark.parametrize("directed", [False, True])
def test_is_the_diagonal_of_matrix_powers(steps, directed):
    graphs = some_graphs(directed)
    expected = torch.cat([by_definition(graph, steps) for graph in graphs])
    torch.testing.assert_close(rwse(*graphs, steps=steps).double(), expected, atol=1e-6, rtol=0)


def test_agrees_with_simulated_walks():
    graph = nx.karate_club_graph()
    step = torch.from_numpy(nx.to_numpy_array(graph, weight=None))
    walkers = torch.zeros(100_000, dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    returned = []
    for _ in range(6):
        walkers = torch.multinomial(step[walkers], 1, generator=generator)[:, 0]
        returned.append((walkers == 0).float().mean())
    torch.testing.assert_close(torch.stack(returned), rwse(graph, steps=6)[0], atol=0.01, rtol=0)


@pytest.mark.parametrize("directed", [False, True])
def test_large_graphs_agree_with_small_ones(monkeypatch, directed):
    graphs = some_graphs(directed)
    expected = rwse(*graphs)
    monkeypatch.setattr(dense, "LARGEST_DENSE", 0)
    monkeypatch.setattr("gnnlab.encodings.rwse.COLUMN_ELEMENTS", 250)
    torch.testing.assert_close(rwse(*graphs), expected, atol=1e-6, rtol=0)


def test_many_blocks_of_columns_agree_with_the_definition():
    graphs = [nx.gnp_random_graph(n, 4 / n, seed=n) for n in (16, 17, 64, 65, 130)]
    expected = torch.cat([by_definition(graph, 7) for graph in graphs])
    torch.testing.assert_close(rwse(*graphs, steps=7).double(), expected, atol=1e-6, rtol=0)


def test_does_not_depend_on_the_rest_of_the_split():
    graphs = some_graphs(False)
    torch.testing.assert_close(rwse(*graphs), torch.cat([rwse(graph) for graph in graphs]))


def test_a_split_without_graphs_has_no_rows():
    none = pack(nx.path_graph(2)).take(torch.tensor([], dtype=torch.long))
    assert RWSE(4).precompute(none)["rwse"].shape == (0, 4)


def test_leaves_the_number_of_threads_as_it_was():
    before = torch.get_num_threads()
    rwse(nx.path_graph(3))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("norm", "parameters"), [("batch", 40 + 20 * 28 + 28), ("none", 20 * 28 + 28)])
def test_learnt_half(norm, parameters):
    encoding = RWSE(20, norm=norm)
    encoder = encoding.encoder(28)
    graphs = pack(nx.cycle_graph(5), nx.path_graph(4))
    out = encoder(graphs.with_node(**encoding.precompute(graphs)).batch())
    assert out.shape == (9, 28)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == parameters


def test_learns_from_a_batch_of_one_node():
    encoding, graphs = RWSE(4), pack(nx.path_graph(1))
    out = encoding.encoder(3)(graphs.with_node(**encoding.precompute(graphs)).batch())
    assert out.isfinite().all()
