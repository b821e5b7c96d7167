"""Ranking sparsifiers: exact counts of pairs, nested sets, the laws, and what they say of a wrong `keep`."""

from functools import partial
from itertools import pairwise

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

from gnnlab.datasets.loader import Loader
from gnnlab.packed import Packed
from gnnlab.sparsifiers import effective_resistance as resistance
from gnnlab.sparsifiers.effective_resistance import EffectiveResistance
from gnnlab.sparsifiers.random import Random
from gnnlab.sparsifiers.spanning_forest import SpanningForest, forest
from gnnlab.sparsifiers.undirected import pairs, strongest
from gnnlab.testing import sample
from gnnlab.trainer.phase import Phase
from tests.graphs import one_graph
from tests.sparsifiers.parts import make, ranked_names

KEEPS = (0.9, 0.5, 0.2)


def ends(graphs: Packed) -> set[tuple[int, int]]:
    return set(map(tuple, graphs.edge_index.t().tolist()))


def pairs_of(graphs: Packed) -> Tensor:
    """[G] how many pairs each graph has."""
    _, edge = pairs(graphs)
    owner = torch.searchsorted(graphs.edge_ptr, edge, right=True) - 1
    return torch.bincount(owner, minlength=graphs.num_graphs)


@pytest.mark.parametrize("name", ranked_names())
def test_exactly_the_share_of_each_graphs_pairs_stays(name: str) -> None:
    graphs = sample()
    for keep in KEEPS:
        total, left = pairs_of(graphs), make(name, keep).shrunk(graphs)
        assert pairs_of(left).tolist() == [int(n) - int((1 - keep) * int(n) + 1e-9) for n in total]
        assert ends(left) == {(j, i) for i, j in ends(left)}


@pytest.mark.parametrize("name", ranked_names())
def test_a_smaller_share_is_a_part_of_a_larger_one(name: str) -> None:
    sets = [ends(make(name, keep).shrunk(sample())) for keep in KEEPS]
    assert all(less <= more for more, less in pairwise(sets))


@pytest.mark.parametrize("name", ranked_names())
def test_what_stays_of_a_graph_depends_on_it_alone(name: str) -> None:
    graphs = sample()
    together = make(name, 0.5).shrunk(graphs)
    for i in range(graphs.num_graphs):
        alone = make(name, 0.5).shrunk(graphs.take(torch.tensor([i])))
        assert torch.equal(alone.edge_index, together.take(torch.tensor([i])).edge_index)


@pytest.mark.parametrize("name", ranked_names())
def test_keep_one_is_the_same_data(name: str) -> None:
    graphs = sample()
    assert make(name, 1.0).shrunk(graphs) is graphs


def test_splits_that_are_parts_of_one_graph_are_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs, method, scored = sample(), Random(0.5), []
    monkeypatch.setattr(Random, "score", lambda self, graphs: scored.append(graphs) or torch.arange(graphs.num_edges))
    splits = {name: Loader(graphs.with_node(mask=torch.ones(graphs.num_nodes))) for name in ("train", "val")}
    splits |= {"test": Loader(sample().take(torch.tensor([0, 1])))}
    (phase,) = method.phases([Phase("train", 1)], nn.Identity(), splits)
    assert len(scored) == 2
    expected = {name: method.shrunk(loader.packed).num_edges for name, loader in splits.items()}
    assert {name: loader.packed.num_edges for name, loader in (phase.loaders or {}).items()} == expected


@pytest.mark.parametrize("name", ["random", "spanning_forest"])
def test_a_pair_is_drawn_once(name: str) -> None:
    """The mean of two draws is seldom among the lowest: edges without a reverse would go before the others."""
    graphs = sample()
    score, (pair, edge) = make(name, 0.5).score(graphs), pairs(graphs)
    assert len(edge) < len(pair)
    assert torch.equal(score[edge][pair], score)


def test_the_share_of_many_pairs_is_counted_in_double_precision() -> None:
    """0.999 · 33001 = 32967.999 pairs go, which float32 takes for 32968."""
    chain = torch.stack([torch.arange(33001), torch.arange(1, 33002)])
    graphs = one_graph(33002, chain)
    assert int(strongest(torch.rand(33001), graphs, 0.001).sum()) == 33001 - 32967


def test_self_loops_stay_and_directed_edges_are_pairs_of_their_own() -> None:
    index = torch.tensor([[0, 0, 1, 2, 3, 1], [0, 1, 2, 3, 0, 1]])
    graphs = one_graph(4, index)
    left = make("teddy", 0.5).shrunk(graphs)
    assert {(0, 0), (1, 1)} <= ends(left)
    assert left.num_edges == 2 + 2


def networkx_of(graphs: Packed) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(graphs.num_nodes))
    graph.add_edges_from(graphs.edge_index.t().tolist())
    return graph


def test_a_forest_spans_every_component_and_has_no_cycle() -> None:
    graphs = sample()
    chosen = graphs.keep_edges(forest(graphs, torch.rand(graphs.num_edges)))
    assert nx.is_forest(networkx_of(chosen))
    parts = nx.number_connected_components
    assert parts(networkx_of(chosen)) == parts(networkx_of(graphs))


def test_edges_beside_the_forest_go_first() -> None:
    graphs = sample().take(torch.tensor([4]))  # 400 nodes
    total, parts = int(pairs_of(graphs)), nx.number_connected_components(networkx_of(graphs))
    needed = (graphs.num_nodes - parts) / total
    left = SpanningForest(needed + 1 / total).shrunk(graphs)
    assert nx.number_connected_components(networkx_of(left)) == parts
    assert nx.is_forest(networkx_of(SpanningForest(needed - 1 / total).shrunk(graphs)))


def test_resistances_of_series_parallel_and_complete_graphs() -> None:
    cycle = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]])
    torch.testing.assert_close(resistance.exact(cycle, 5), torch.full((5,), 4 / 5, dtype=torch.double))
    complete = torch.combinations(torch.arange(6)).t()
    torch.testing.assert_close(resistance.exact(complete, 6), torch.full((15,), 2 / 6, dtype=torch.double))
    barbell = torch.tensor([[0, 0, 1, 2, 3, 3, 4], [1, 2, 2, 3, 4, 5, 5]])
    expected = torch.tensor([2 / 3] * 3 + [1.0] + [2 / 3] * 3, dtype=torch.double)
    torch.testing.assert_close(resistance.exact(barbell, 8), expected)  # nodes 6 and 7 are isolated


def test_resistances_of_a_graph_sum_to_nodes_less_components() -> None:
    """Foster's theorem."""
    graphs = sample()
    score = EffectiveResistance(0.5).score(graphs)
    _, edge = pairs(graphs)
    loops = graphs.edge_index[0] == graphs.edge_index[1]
    parts = nx.number_connected_components(networkx_of(graphs))
    assert float(score[edge][~loops[edge]].sum()) == pytest.approx(graphs.num_nodes - parts, rel=1e-5)


def test_the_estimate_is_near_the_exact_resistance() -> None:
    graphs = sample().take(torch.tensor([4]))
    _, edge = pairs(graphs)
    ends = graphs.edge_index[:, edge]
    exact, estimated = resistance.exact(ends, 400), resistance.estimated(ends, 400, projections=400)
    error = (estimated - exact).abs() / exact
    assert error.mean() < 0.07  # the standard deviation is at most √(2 / 400) = 0.07
    assert error.max() < 0.3


def test_the_estimate_of_a_bridge_is_exact() -> None:
    barbell = torch.tensor([[0, 0, 1, 2, 3, 3, 4], [1, 2, 2, 3, 4, 5, 5]])
    assert float(resistance.estimated(barbell, 6, projections=2)[3]) == pytest.approx(1, abs=1e-5)


def test_solves_that_stop_early_are_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resistance, "cg", partial(resistance.cg, maxiter=1))
    resistance.estimated(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 4]]), 5, projections=8)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "a graph of 5 nodes: 8 of 8 solves stopped before they converged" in caplog.text


def test_bridges_stay_first() -> None:
    barbell = torch.tensor([[0, 0, 1, 2, 3, 3, 4], [1, 2, 2, 3, 4, 5, 5]])
    both = torch.cat([barbell, barbell.flip(0)], 1)
    graphs = one_graph(6, both)
    assert (2, 3) in ends(EffectiveResistance(0.15).shrunk(graphs))
