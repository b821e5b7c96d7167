"""FLOPs and sums of a forward pass in closed form, whichever ops serve it."""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from gnnlab.batch import Batch
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.mlp import MLP
from gnnlab.ops import backend
from gnnlab.ops.flops import flop_counter, flops_per_graph, sums_per_graph
from gnnlab.packed import Packed
from gnnlab.testing import sample


class Linear(nn.Module):
    """Two matrix products, of 3 × 5 and 5 × 1, for each node."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1))

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.layers(batch.node["x"])


def two_graphs() -> Batch:
    nodes = torch.tensor([4, 6])
    edges = torch.zeros(2, 0, dtype=torch.long)
    return Packed.from_tensors(nodes, torch.zeros_like(nodes), edges, node={"x": torch.randn(10, 3)}).batch()


def test_flops_are_two_per_multiplication_per_graph():
    model = Linear().train()
    assert flops_per_graph(model, [two_graphs()]) == 2 * 10 * (3 * 5 + 5 * 1) / 2
    assert model.training


def test_sums_are_one_for_each_number_that_comes_along_an_edge():
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = GCN(8)

        def forward(self, batch):
            return self.conv(torch.randn(batch.num_nodes, 8), None, batch)[0]

    graphs = sample().take(torch.tensor([3, 6]))
    assert sums_per_graph(Layer(), [graphs.batch()]) == graphs.num_edges * 8 / 2


def test_flops_do_not_depend_on_who_serves():
    class Fused(nn.Module):
        def __init__(self):
            super().__init__()
            self.mlp = MLP(3, 5, 1)

        def forward(self, batch):
            return self.mlp(batch.node["x"])

    assert flops_per_graph(Fused(), [two_graphs()]) == 2 * 10 * (3 * 5 + 5 * 1) / 2
    assert backend.mode() == "auto"


def test_scores_and_values_count_on_cpus() -> None:
    """Two products of 2 n² d for each graph and head."""
    query = torch.randn(3, 4, 7, 8)
    for mask in (None, torch.zeros(3, 4, 7, 7), torch.ones(3, 1, 1, 7, dtype=torch.bool)):
        with torch.no_grad(), flop_counter() as counter:
            scaled_dot_product_attention(query, query, query, attn_mask=mask)
        assert counter.get_total_flops() == 3 * 4 * 4 * 7**2 * 8


def test_graphs_given_one_by_one_are_not_filled_up() -> None:
    """What a graph costs does not depend on the largest of its batch."""
    torch.manual_seed(0)
    mixer, graphs = Attention(8), sample().take(torch.tensor([1, 3, 6]))

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixer = mixer

        def forward(self, batch: Batch) -> torch.Tensor:
            return self.mixer(torch.randn(batch.num_nodes, 8), batch)

    alone = [graphs.batch(index, index + 1) for index in range(3)]
    nodes = graphs.ptr.diff()
    expected = sum(8 * n * 8 * 8 + 4 * n * n * 8 for n in nodes.tolist()) / 3
    assert flops_per_graph(Mixed(), alone) == round(expected)
    assert flops_per_graph(Mixed(), [graphs.batch()]) > round(expected)
