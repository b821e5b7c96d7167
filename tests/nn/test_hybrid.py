"""GSM's clusters are a minimum spanning tree's; its token sequences; GPS where its tokens are nodes."""

from functools import partial
from itertools import pairwise
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings.columns import node_pairs
from gnnlab.models.gps import GPS
from gnnlab.nn.cluster_bias import cluster_distances
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.hac import by_features, cluster, depth_first
from gnnlab.nn.head import Pyramid
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.mixer.hybrid import Hybrid
from gnnlab.nn.mixer.mamba import Mamba
from gnnlab.nn.tokens import BreadthFirst, DepthFirst, Mixture, clusters
from gnnlab.testing import (
    assert_batch_independent,
    assert_padding_changes_nothing,
    assert_permutation_equivariant,
    permuted,
    sample,
    sample_spec,
)


def weighted() -> tuple[Batch, Tensor, nx.Graph]:
    """Graphs of all kinds with distinct weights, the same both ways, and the same for networkx."""
    batch = sample().batch()
    ends = batch.edge_index.sort(0)[0]
    edges, which = ends.unique(dim=1, return_inverse=True)
    weight = torch.randperm(edges.shape[1], generator=torch.Generator().manual_seed(0))
    graph = nx.Graph()
    graph.add_nodes_from(range(batch.num_nodes))
    graph.add_weighted_edges_from([(*edge, w) for edge, w in zip(edges.T.tolist(), weight.tolist(), strict=True)])
    return batch, weight[which].float(), graph


def test_the_edges_taken_are_the_minimum_spanning_tree() -> None:
    batch, weight, graph = weighted()
    rounds = (batch.max_nodes - 1).bit_length()
    tree = cluster(batch, weight, rounds)
    taken = tree.edges[tree.edges < batch.num_edges]
    found = {tuple(sorted(edge)) for edge in batch.edge_index[:, taken].T.tolist()}
    assert found == {tuple(sorted(edge)) for edge in nx.minimum_spanning_edges(graph, data=False)}
    last = tree.levels[-1].tolist()
    for component in nx.connected_components(graph):
        assert len({last[node] for node in component}) == 1
    assert len(set(last)) == nx.number_connected_components(graph)


def test_every_round_at_least_halves_the_clusters_that_can_join() -> None:
    batch, weight, graph = weighted()
    components = nx.number_connected_components(graph)
    levels = cluster(batch, weight, 9).levels
    counts = [batch.num_nodes, *(len(level.unique()) for level in levels)]
    for before, after in pairwise(counts):
        assert after <= components + (before - components) / 2
    for fine, coarse in pairwise(levels):
        assert len(torch.stack([fine, coarse]).unique(dim=1)[0]) == len(fine.unique())


def test_other_node_numbers_give_the_same_clusters() -> None:
    """With distinct weights the tree depends on the graph alone."""
    batch, weight, _ = weighted()
    graphs = sample()
    moved, order = permuted(graphs, seed=1)
    of_pair = {tuple(ends): float(w) for ends, w in zip(batch.edge_index.T.tolist(), weight, strict=True)}
    again = torch.tensor([of_pair[ends] for ends in map(tuple, order[moved.edge_index].T.tolist())])
    for one, other in zip(cluster(batch, weight, 9).levels, cluster(moved.batch(), again, 9).levels, strict=True):
        assert torch.equal(one[order][:, None] == one[order], other[:, None] == other)


def test_leaves_come_once_and_clusters_stay_together() -> None:
    batch, weight, _ = weighted()
    levels = cluster(batch, weight, 9).levels
    order = depth_first(batch, levels)
    assert order.sort()[0].tolist() == list(range(batch.num_nodes))
    assert torch.equal(batch.batch[order], batch.batch)
    for level in levels:
        assert len(level[order].unique_consecutive()) == len(level.unique())


def test_breadth_first_reads_the_mean_of_each_cluster() -> None:
    """Without message passing inside, and a scan that hands on what it is given."""
    torch.manual_seed(0)
    batch = sample().batch()
    model, x = BreadthFirst(8, 2), torch.randn(batch.num_nodes, 8)
    nn.init.zeros_(model.local.weight)
    nn.init.zeros_(model.local.bias)
    model.mamba.scan = lambda x, sequences: x
    expected = torch.empty_like(x)
    level = by_features(batch, 2)[1]
    for name in level.unique():
        expected[level == name] = x[level == name].mean(0)
    torch.testing.assert_close(model.read(x, level, clusters(batch, 2)[1], batch), expected)


def test_tokens_that_are_nodes_give_gps() -> None:
    """GPS with a mixer that is the parts put together by hand."""

    class ByHand(nn.Module):
        def __init__(self, dim: int) -> None:
            super().__init__()
            self.tokens, self.norm, self.attention = Mamba(dim), nn.LayerNorm(dim), Attention(dim)

        def forward(self, x: Tensor, batch: Batch) -> Tensor:
            return self.attention(self.norm(x + self.tokens(x, batch)), batch)

    gsm, gps = (
        GPS(sample_spec("graph"), [], GatedGCN, mixer, Pyramid, 16, 2).eval()
        for mixer in (partial(Hybrid, tokens="nodes", max_distance=0), ByHand)
    )
    gsm.load_state_dict(gps.state_dict())
    torch.testing.assert_close(gsm(sample().batch()), gps(sample().batch()))


def test_a_mixture_is_of_the_two_best() -> None:
    torch.manual_seed(0)
    batch = sample().batch()
    model, x = Mixture(8, 2).eval(), torch.randn(batch.num_nodes, 8)
    nn.init.zeros_(model.router.weight)
    model.router.bias.data = torch.tensor([2.0, -9.0, 1.0])
    node, _, breadth = (choice(x, batch) for choice in model.choices)
    two, one = torch.tensor([2.0, 1.0]).sigmoid()
    torch.testing.assert_close(model(x, batch), model.join(torch.cat([two * node, one * breadth], 1)))


@pytest.mark.parametrize("tokens", ["dfs", "bfs"])
def test_laws(tokens: Any) -> None:
    torch.manual_seed(0)
    model = GPS(sample_spec("node"), [], None, partial(Hybrid, tokens=tokens), Pyramid, 16, 1)
    assert isinstance(model.layers[0].mixer.tokens, DepthFirst if tokens == "dfs" else BreadthFirst)
    assert_permutation_equivariant(model, sample(), node_level=True)
    assert_batch_independent(model, sample())
    assert_padding_changes_nothing(model, sample())


def test_attention_knows_the_distances_of_clusters() -> None:
    """Against networkx, in the quotient graph of each level."""
    batch = sample().take(torch.tensor([0, 1, 2, 3, 5, 6])).batch()
    levels, order = clusters(batch, 2)
    found = cluster_distances(batch, levels, order, 4)
    pairs = node_pairs(batch)
    one, other = pairs.batch, batch.ptr[batch.batch[pairs.batch]] + pairs.node["column"]
    for level, distance in zip([torch.arange(batch.num_nodes), *levels], found, strict=True):
        graph = nx.Graph()
        graph.add_nodes_from(level.tolist())
        graph.add_edges_from(level[batch.edge_index].T.tolist())
        steps = dict(nx.all_pairs_shortest_path_length(graph, cutoff=4))
        expected = [steps[int(level[i])].get(int(level[j]), 5) for i, j in zip(one, other, strict=True)]
        assert distance.tolist() == expected


def test_training_evens_out_what_a_mixture_chooses() -> None:
    torch.manual_seed(0)
    batch = sample().batch()
    model, x = Mixture(8, 2), torch.randn(batch.num_nodes, 8)
    nn.init.normal_(model.router.weight, std=0.05)
    model.router.bias.data = torch.tensor([0.5, 0.0, -0.5])

    def loads() -> list[float]:
        best = (model.router(x).sigmoid() + model.offset).topk(2)[1]
        return (torch.bincount(best.flatten(), minlength=3) / batch.num_nodes).tolist()

    assert min(loads()) < 0.01
    for _ in range(400):
        model.balance((model.router(x).sigmoid() + model.offset).topk(2)[1], None)
    assert loads() == pytest.approx([2 / 3] * 3, abs=0.15)
    before = model.offset.clone()
    model.eval()(x, batch)
    assert torch.equal(model.offset, before)
    model.train()(x, batch)
    assert not torch.equal(model.offset, before)
