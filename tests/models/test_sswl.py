"""SSWL's aggregations are Kronecker products; its classes tell apart what they should; published parameter counts."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from gnnlab.models.mpnn import MPNN
from gnnlab.models.sswl import AGGREGATIONS, SSWL, Pairs, aggregate, buckets
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.head import Flat
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import random_graph, sample, sample_spec


def dense(n: int, seed: int) -> tuple[torch.Tensor, Packed]:
    graph = random_graph(n, 2 * n, torch.Generator().manual_seed(seed))
    adjacency = torch.zeros(n, n, dtype=torch.float64)
    adjacency[graph.edge_index[1], graph.edge_index[0]] = 1
    return adjacency, Packed.from_graphs([graph])


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_aggregations_are_kronecker_products(n: int) -> None:
    """On h ≥ 0 with e = 0, where ReLU changes nothing; H [n (root u), n (node v), d] flattened."""
    adjacency, graphs = dense(n, n)
    one, all_ = torch.eye(n, dtype=torch.float64), torch.ones(n, n, dtype=torch.float64)
    H = torch.rand(n, n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pairs = Pairs.of(graphs.batch())
    h, e = H.transpose(0, 1).flatten(0, 1), H.new_zeros(pairs.rows.num_edges, 3)
    expected = {
        "uL": torch.kron(one, adjacency) @ H.flatten(0, 1),
        "vL": torch.kron(adjacency, one) @ H.flatten(0, 1),
        "vG": torch.kron(all_, one) @ H.flatten(0, 1),
        "vv": torch.kron(all_[:, :1], one) @ H.diagonal().T,
    }
    for name, value in expected.items():
        found = aggregate(name, h, e, pairs).view(n, n, 3).transpose(0, 1).flatten(0, 1)
        torch.testing.assert_close(found, value)


def test_edges_go_with_their_pairs() -> None:
    _, graphs = dense(6, 0)
    batch = graphs.batch()
    pairs = Pairs.of(batch)
    source, target = pairs.rows.edge_index
    ends = torch.stack([pairs.rows.batch[source], pairs.rows.batch[target]])
    assert torch.equal(ends, batch.edge_index[:, pairs.edge])
    assert torch.equal(pairs.swap[pairs.swap], torch.arange(36))


def test_one_aggregation_is_the_other_between_two_transpositions() -> None:
    pairs = Pairs.of(sample().take(torch.tensor([0, 1, 2, 3, 5, 6])).batch())
    generator = torch.Generator().manual_seed(0)
    h, e = (torch.randn(rows, 3, generator=generator) for rows in (pairs.rows.num_nodes, pairs.rows.num_edges))
    assert torch.equal(aggregate("vL", h, e, pairs), aggregate("uL", h[pairs.swap], e, pairs)[pairs.swap])


def test_buckets_are_distances_up_to_the_largest_and_then_out_of_reach() -> None:
    """A path of 9 nodes beside a hexagon of its own, and two triangles in one graph."""
    path = torch.stack([torch.arange(8), torch.arange(1, 9)])
    graphs = [
        Data(edge_index=torch.cat([path, path.flip(0)], 1), num_nodes=9),
        Data(edge_index=torch.cat([ring(3), ring(3) + 3], 1), num_nodes=6),
    ]
    line, apart = buckets(Packed.from_graphs(graphs).batch(), 5).split([81, 36])
    steps = (torch.arange(9)[:, None] - torch.arange(9)).abs()
    assert torch.equal(line.view(9, 9), steps.clamp(max=5))
    same = torch.block_diag(torch.ones(3, 3), torch.ones(3, 3)).bool()
    assert torch.equal(apart.view(6, 6), torch.where(same, 1 - torch.eye(6).long(), 6))


@pytest.mark.parametrize(("kind", "aggregations", "published"), [("sswl+", 3, 386_900), ("sswl", 2, 273_998)])
def test_published_counts(kind: Any, aggregations: int, published: int) -> None:
    """On ZINC, for tables of 5 kinds of bonds (OGB's), 6 distances and 30 kinds of atoms; the release's last
    aggregation has an ε that nothing reads, and it has no vector for nodes out of reach.
    """
    spec = GraphSpec("zinc", "graph", "regression", 1, "mae", Feature.categorical(30), Feature.categorical(5))
    model = SSWL(spec, [], kind=kind)
    assert len(AGGREGATIONS[kind]) == aggregations
    assert sum(parameter.numel() for parameter in model.parameters()) + 1 - 96 == published


def test_tables_of_features_begin_as_those_of_ogb_and_that_of_distances_with_normal_numbers() -> None:
    model = SSWL(sample_spec("graph"), [])
    edges = [edges.table for layer in model.layers for edges in layer.edges.values()]
    for table in (model.nodes.features.table, *edges):
        assert table.weight.abs().max() <= (6 / sum(table.weight.shape)) ** 0.5
    assert model.distance.weight.abs().max() > 1


@pytest.mark.parametrize("kind", AGGREGATIONS)
def test_what_a_batch_keeps_changes_no_result(kind: Any) -> None:
    """After an evaluation and another model of other buckets, results and gradients are those on a new batch."""
    graphs = sample().take(torch.tensor([0, 1, 2, 3, 5, 6]))
    torch.manual_seed(0)
    near, far = (SSWL(sample_spec("graph"), [], 16, 2, kind, max_distance) for max_distance in (1, 5))
    used = graphs.batch()
    with torch.inference_mode():
        far(used)
    for model in (near, far):
        results = []
        for batch in (used, graphs.batch()):
            model.zero_grad()
            out = model(batch)
            out.square().sum().backward()
            results.append([out, *(parameter.grad for parameter in model.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def ring(n: int) -> torch.Tensor:
    one = torch.stack([torch.arange(n), torch.arange(n).roll(1)])
    return torch.cat([one, one.flip(0)], 1)


def graph(edges: torch.Tensor) -> Data:
    return Data(x=torch.zeros(6, 1).long(), edge_index=edges, edge_attr=torch.zeros(edges.shape[1], 1).long())


@pytest.mark.parametrize("kind", AGGREGATIONS)
def test_a_hexagon_is_not_two_triangles(kind: Any) -> None:
    torch.manual_seed(0)
    batch = Packed.from_graphs([graph(ring(6)), graph(torch.cat([ring(3), ring(3) + 3], 1))]).batch()
    plain = MPNN(sample_spec("graph"), [], GINE, Flat, 16, 3).eval()(batch)
    torch.testing.assert_close(plain[0], plain[1])
    one, two = SSWL(sample_spec("graph"), [], 16, 3, kind=kind).double().eval()(batch)
    assert (one - two).abs().max() > 1e-6


def test_strongly_regular_graphs_of_equal_parameters_stay_alike() -> None:
    """The 4 × 4 rook's graph and Shrikhande's: 2-FWL cannot tell them apart, and SSWL+ is below it."""
    torch.manual_seed(0)
    cells = [(i, j) for i in range(4) for j in range(4)]

    def linked(moves: set[tuple[int, int]]) -> Data:
        edges = [(a, b) for a, (i, j) in enumerate(cells) for b, (k, m) in enumerate(cells)
                 if ((k - i) % 4, (m - j) % 4) in moves]  # fmt: skip
        index = torch.tensor(edges).T
        return Data(x=torch.zeros(16, 1).long(), edge_index=index, edge_attr=torch.zeros(len(edges), 1).long())

    rook = {(0, d) for d in (1, 2, 3)} | {(d, 0) for d in (1, 2, 3)}
    shrikhande = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    batch = Packed.from_graphs([linked(rook), linked(shrikhande)]).batch()
    one, two = SSWL(sample_spec("graph"), [], 16, 3).double().eval()(batch)
    torch.testing.assert_close(one, two)


@pytest.mark.slow
def test_it_learns_to_count_triangles() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    graphs = [random_graph(n, 3 * n, generator) for n in (5, 6, 7, 8) for _ in range(6)]
    batch = Packed.from_graphs(graphs).batch()
    batch.node["x"].zero_()
    batch.edge["edge_attr"].zero_()
    adjacency = torch.zeros(batch.num_nodes, batch.num_nodes).index_put(tuple(batch.edge_index), torch.ones(1))
    walks = (adjacency @ adjacency @ adjacency).diagonal()
    triangles = torch.zeros(batch.num_graphs).index_add(0, batch.batch, walks) / 6
    target = (triangles / triangles.std())[:, None]
    model = SSWL(replace(sample_spec("graph"), num_targets=1), [], 16, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 600)
    for _ in range(600):
        optimizer.zero_grad()
        error = (model(batch) - target).abs().mean()
        error.backward()
        optimizer.step()
        schedule.step()
    assert error < 1e-2
