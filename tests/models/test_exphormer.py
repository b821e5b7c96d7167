"""Exphormer: its expander's degrees, spectrum and independence, and attention along the union written densely."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch_geometric.data import Data

from gnnlab.models.exphormer import Exphormer, ExphormerLayer
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.expander import Union, hamiltonian_cycles
from gnnlab.nn.head import Pyramid
from gnnlab.packed import Packed
from gnnlab.testing import assert_padding_changes_nothing, permuted, sample, sample_spec

SPEC = sample_spec("graph")


def edgeless(*sizes: int) -> Packed:
    return Packed.from_graphs([Data(num_nodes=n, edge_index=torch.empty(2, 0, dtype=torch.long)) for n in sizes])


@pytest.mark.parametrize("cycles", [1, 3])
def test_every_degree_is_exact_and_every_cycle_passes_all_nodes(cycles: int) -> None:
    batch = sample().batch()
    source, target = hamiltonian_cycles(batch, cycles, seed=0)
    for end in (source, target):
        assert torch.bincount(end, minlength=batch.num_nodes).tolist() == [2 * cycles] * batch.num_nodes
    assert torch.equal(batch.batch[source], batch.batch[target])
    following = torch.empty(batch.num_nodes, dtype=torch.long)
    following[source[: batch.num_nodes]] = target[: batch.num_nodes]
    for first, last in zip(batch.ptr.tolist(), batch.ptr[1:].tolist(), strict=False):
        node, passed = first, set()
        for _ in range(last - first):
            passed.add(node)
            node = int(following[node])
        assert passed == set(range(first, last))
        assert node == first


@pytest.mark.parametrize(("n", "cycles"), [(60, 2), (100, 3), (300, 3), (200, 5)])
def test_the_second_eigenvalue_is_near_its_bound(n: int, cycles: int) -> None:
    for seed in range(3):
        source, target = hamiltonian_cycles(edgeless(n).batch(), cycles, seed)
        adjacency = torch.zeros(n, n, dtype=torch.float64).index_put(
            (target, source), torch.ones(len(source), dtype=torch.float64), accumulate=True
        )
        second = torch.linalg.eigvalsh(2 * cycles * torch.eye(n) - adjacency)[1]
        assert second >= 2 * cycles - 2 * math.sqrt(2 * cycles - 1) - 0.1


def test_it_depends_on_the_graph_and_the_seed_alone() -> None:
    graphs = sample()
    together = hamiltonian_cycles(graphs.batch(), 2, seed=0)
    for graph, (first, last) in enumerate(zip(graphs.ptr.tolist(), graphs.ptr[1:].tolist(), strict=False)):
        alone = hamiltonian_cycles(graphs.batch(graph, graph + 1), 2, seed=0)
        own = (together[0] >= first) & (together[0] < last)
        assert_close(alone, together[:, own] - first)
    moved, order = permuted(graphs, keep_ties=True)
    key = graphs.num_nodes
    renumbered = order[hamiltonian_cycles(moved.batch(), 2, seed=0)]
    assert_close(*((edges[0] * key + edges[1]).sort().values for edges in (renumbered, together)))
    assert not torch.equal(hamiltonian_cycles(graphs.batch(), 2, seed=1), together)


def test_two_steps_by_a_virtual_node_join_every_pair() -> None:
    batch = sample().batch()
    union = Union.of(batch, cycles=0, virtual=1, seed=0).batch
    reach = torch.zeros(union.num_nodes, union.num_nodes)
    reach[union.edge_index[1], union.edge_index[0]] = 1
    two = (reach @ reach)[: batch.num_nodes, : batch.num_nodes] > 0
    assert torch.equal(two, batch.batch[:, None] == batch.batch)


def test_attention_is_the_dense_formula_over_the_union() -> None:
    torch.manual_seed(0)
    heads, width, virtual = 2, 3, 2
    dim = heads * width
    batch = sample().batch()
    model = Exphormer(SPEC, [], GatedGCN, Pyramid, dim, 1, heads, cycles=2, virtual_nodes=virtual).double().eval()
    layer: Any = model.layers[0]
    attention, seen = layer.attention, []
    attention.register_forward_hook(lambda _, inputs, out: seen.append((inputs, out[0])))
    model(batch)
    (x, all_e, union, _), out = seen[0]
    assert_close(x, torch.cat([model.nodes(batch), model.virtual.repeat(batch.num_graphs, 1)]))
    edges = model.edges(batch.edge_attr, batch.num_edges)
    source, target = union.edge_index
    rows = range(batch.num_nodes)
    expander = hamiltonian_cycles(batch, 2, 0).T.tolist()
    expected = [
        *((j, i, edges[k]) for k, (j, i) in enumerate(batch.edge_index.T.tolist())),
        *((j, i, model.further_edges[0]) for j, i in expander),
        *((i, hub(batch, i, v), model.further_edges[1 + v]) for i in rows for v in range(virtual)),
        *((hub(batch, i, v), i, model.further_edges[1 + virtual + v]) for i in rows for v in range(virtual)),
    ]
    found = sorted((int(j), int(i), *e) for j, i, e in zip(source, target, all_e.tolist(), strict=True))
    assert found == sorted((j, i, *e.tolist()) for j, i, e in expected)
    scores = attention.scores
    products = scores.query(x)[target] * scores.key(x)[source] * scores.edge(all_e) / math.sqrt(width)
    weight = products.unflatten(1, (heads, width)).sum(-1).clamp(-5, 5).exp()
    total = torch.zeros(len(x), heads, dtype=torch.float64).index_add(0, target, weight) + 1e-6
    messages = (weight / total[target])[..., None] * attention.value(x)[source].unflatten(1, (heads, width))
    assert_close(out, torch.zeros_like(x).index_add(0, target, messages.flatten(1)))


def hub(batch, node: int, v: int) -> int:
    return batch.num_nodes + int(batch.batch[node]) * 2 + v


@pytest.mark.parametrize("conv", [GatedGCN, GINE])
def test_a_layer_is_a_gps_layer(conv: type) -> None:
    torch.manual_seed(0)
    batch = sample().batch()
    layer = ExphormerLayer(conv(6), 6, 2, dropout=0.0).double().eval()
    union = Union.of(batch, 1, 1, 0)
    x, u, e, all_e = (
        torch.randn(rows, 6, dtype=torch.float64)
        for rows in (batch.num_nodes, batch.num_graphs, batch.num_edges, union.batch.num_edges)
    )

    def norm(module: nn.BatchNorm1d, value: Tensor) -> Tensor:
        return nn.BatchNorm1d.forward(module, value)

    mixed = layer.attention(torch.cat([x, u]), all_e, union.batch)[0]
    local, new_e = layer.conv(x, e, batch)
    y = norm(layer.conv_norm, local if conv is GatedGCN else x + local)
    y = y + norm(layer.attention_norm, x + mixed[: len(x)])
    expected = norm(layer.norm, y + layer.feed_forward(y)), mixed[len(x) :], new_e
    assert_close(layer(x, u, e, all_e, batch, union), expected)


@pytest.mark.parametrize(("cycles", "virtual"), [(2, 1), (0, 2), (2, 0), (0, 0)])
def test_padding(cycles: int, virtual: int) -> None:
    torch.manual_seed(0)
    model = Exphormer(SPEC, [], GatedGCN, Pyramid, 8, 2, 2, cycles, virtual, dropout=0.0)
    assert_padding_changes_nothing(model, sample())
