"""Graphormer: its bias against paths found one by one, attention written densely, and what the virtual node reads."""

import math
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.encodings.columns import node_pairs
from gnnlab.errors import UsageError
from gnnlab.models.graphormer import Graphormer, Tokens
from gnnlab.nn.mixer.graphormer import Graphormer as Mixer
from gnnlab.nn.pair_bias import PairBias
from gnnlab.packed import Packed
from gnnlab.spec import Feature
from gnnlab.testing import assert_permutation_equivariant, random_graph, sample, sample_spec

SPEC = sample_spec("graph")


def shortest(batch: Batch, i: int, j: int) -> list[list[int]]:
    """Every shortest path from i to j as a list of edges; none where j is out of reach."""
    source, target = batch.edge_index.tolist()
    paths, seen = [([], i)], {i}
    while paths and not any(end == j for _, end in paths):
        paths = [
            ([*path, edge], target[edge])
            for path, end in paths
            for edge in range(batch.num_edges)
            if source[edge] == end and target[edge] not in seen
        ]
        seen |= {end for _, end in paths}
    return [path for path, end in paths if end == j]


def graphs() -> Packed:
    generator = torch.Generator().manual_seed(0)
    nodes = torch.arange(6)
    ring, path = torch.stack([nodes, nodes.roll(1)]), torch.stack([nodes[:-1], nodes[1:]])

    def graph(edge_index: Tensor) -> Data:
        bond = torch.randint(4, (edge_index.shape[1], 1), generator=generator)
        return Data(torch.zeros(6, 1).long(), edge_index, bond, torch.ones(1, 1))

    random = random_graph(9, 14, generator), random_graph(7, 20, generator, components=2)
    return Packed.from_graphs([random[0], graph(torch.cat([ring, ring.flip(0)], 1)), random[1], graph(path)])


@pytest.mark.parametrize(("max_distance", "path"), [(20, 20), (20, 2), (3, 5)])
def test_bias_is_the_mean_over_all_shortest_paths(max_distance: int, path: int) -> None:
    torch.manual_seed(0)
    batch = graphs().batch()
    bias = PairBias(SPEC, 2, max_distance, path).double()
    assert bias.edges is not None
    edges, found = bias.edges(batch.edge_attr, batch.num_edges), bias(batch)
    pairs = node_pairs(batch)
    assert any(len(shortest(batch, i, j)) > 1 for i, j in product(range(15), repeat=2))
    for pair in range(pairs.num_nodes):
        i = int(pairs.batch[pair])
        j = int(batch.ptr[batch.batch[i]] + pairs.node["column"][pair])
        ways = [way for way in shortest(batch, i, j) if len(way) <= max_distance]
        expected = bias.distance.weight[len(ways[0]) if ways else max_distance + 1]
        if ways and ways[0]:
            sums = [edges[e] @ w for way in ways for e, w in zip(way, bias.places, strict=False)]
            expected = expected + torch.stack(sums).sum(0) / len(ways) / min(len(ways[0]), path)
        assert_close(found[pair], expected)


def test_columns_of_an_edge_count_as_their_mean() -> None:
    torch.manual_seed(0)
    batch = graphs().batch()
    one = PairBias(SPEC, 2, 3, 2)
    three = PairBias(replace(SPEC, edge=Feature.categorical(4, 4, 4)), 2, 3, 2)
    state = one.state_dict()
    three.load_state_dict({**state, "edges.table.weight": state["edges.table.weight"].repeat(3, 1)})
    expected = one(batch)
    batch.edge["edge_attr"] = batch.edge["edge_attr"].expand(-1, 3)
    assert_close(three(batch), expected)


def test_tables_start_small() -> None:
    torch.manual_seed(0)
    for columns in (1, 3):
        bias = PairBias(replace(SPEC, edge=Feature.categorical(*[50] * columns)), 8, 20, 5)
        assert bias.edges is not None
        for table in (bias.distance, bias.edges.table):
            assert float(table.weight.detach().std()) == pytest.approx(0.02, rel=0.2)


def test_attention_is_the_dense_formula() -> None:
    torch.manual_seed(0)
    heads, width = 2, 3
    batch = graphs().batch()
    mixer = Mixer(heads * width, SPEC, heads).double().eval()
    x = torch.randn(batch.num_nodes, heads * width, dtype=torch.float64)
    out, bias, done = mixer(x, batch), mixer.bias(batch), 0
    for first, last in zip(batch.ptr.tolist(), batch.ptr[1:].tolist(), strict=False):
        n = last - first
        query, key, value = mixer.qkv(x[first:last]).view(n, 3, heads, width).permute(1, 2, 0, 3)
        scores = query @ key.mT / math.sqrt(width) + bias[done : done + n * n].view(n, n, heads).permute(2, 0, 1)
        mixed = (scores.softmax(-1) @ value).transpose(0, 1).flatten(1)
        assert_close(out[first:last], mixer.out(mixed))
        done += n * n


def test_a_path_of_many_shortest_ones_does_not_depend_on_node_numbers() -> None:
    torch.manual_seed(0)
    assert_permutation_equivariant(Graphormer(SPEC, [], 8, 2, 2), graphs(), node_level=False)


def test_tokens_are_the_nodes_after_a_virtual_one() -> None:
    batch = sample().batch()
    tokens, pairs = Tokens.of(batch), node_pairs(batch)
    assert tokens.batch.ptr.diff().tolist() == (batch.ptr.diff() + 1).tolist()
    assert_close(tokens.batch.batch[tokens.nodes], batch.batch)
    of_tokens = node_pairs(tokens.batch)
    assert_close(of_tokens.batch[tokens.pairs], tokens.nodes[pairs.batch])
    assert_close(of_tokens.node["column"][tokens.pairs], pairs.node["column"] + 1)


def test_the_virtual_node_reads_all_nodes_evenly_where_nothing_tells_them_apart() -> None:
    torch.manual_seed(0)
    batch = sample().batch()
    model = Graphormer(SPEC, [], 8, 1, 2).double().eval()
    layer: Any = model.layers[0]
    for part in (layer.attention.qkv, layer.attention.out, *layer.feed_forward.linears, model.virtual_bias):
        for parameter in [part] if isinstance(part, nn.Parameter) else part.parameters():
            nn.init.zeros_(parameter)
    nn.init.eye_(layer.attention.qkv.weight[16:])  # values are the normed states, scores are the bias, 0 for it
    nn.init.eye_(layer.attention.out.weight)

    def read(x: Tensor) -> Tensor:
        return layer.norms[0](x)

    x = model.nodes(batch)
    for table, ptr in zip(model.centrality, (batch.rowptr, batch.colptr), strict=True):
        x = x + table(ptr.diff().clamp(max=63))
    counts = batch.ptr.diff()[:, None]
    total = torch.zeros(batch.num_graphs, 8, dtype=torch.float64).index_add(0, batch.batch, read(x))
    mean = (total + read(model.virtual)) / (counts + 1)
    assert_close(model(batch), model.out(model.norm(model.virtual + mean)))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"hidden_dim=10 is not a multiple of model.num_heads=4"):
        Graphormer(SPEC, [], hidden_dim=10, num_heads=4)
