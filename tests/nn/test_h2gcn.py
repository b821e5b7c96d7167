"""H2GCN is the paper's formula written densely, on graphs with loops, triangles and edges of one direction."""

from unittest.mock import patch

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from gnnlab.nn.conv.h2gcn import H2GCN, TwoHops
from gnnlab.packed import Packed
from gnnlab.testing import sample
from tests.graphs import one_graph

BATCH = sample().batch()


def dense(edge_index: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """A₁ and A₂ (row: where an edge leads): who is one step away, and who is two steps away and no nearer."""
    one = torch.zeros(n, n, dtype=torch.float64)
    one[edge_index[1], edge_index[0]] = 1
    one.fill_diagonal_(0)
    two = ((one @ one > 0) & (one == 0)).double()
    return one, two.fill_diagonal_(0)


def normal(matrix: Tensor) -> Tensor:
    scales = [torch.where(d > 0, d.rsqrt(), 0.0) for d in (matrix.sum(1), matrix.sum(0))]
    return scales[0][:, None] * matrix * scales[1]


@pytest.mark.parametrize("rounds", [0, 1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_dense_formula(rounds: int, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    directed = Data(edge_index=torch.randint(9, (2, 20), generator=generator).unique(dim=1), num_nodes=9)
    for batch in (BATCH, Packed.from_graphs([directed, directed]).batch()):
        n = batch.num_nodes
        x = torch.randn(n, 3, generator=generator, dtype=torch.float64)
        conv = H2GCN(3, rounds).double()
        near, far = (normal(matrix) for matrix in dense(batch.edge_index, n))
        states = [x]
        for _ in range(rounds):
            states.append(torch.cat([near @ states[-1], far @ states[-1]], 1))
        weight = torch.ones(batch.num_edges, dtype=torch.float64) if weighted else None
        torch.testing.assert_close(conv(x, None, batch, weight)[0], conv.linear(torch.cat(states, 1)))


def test_a_weight_opens_a_pair_as_much_as_it_closes_an_edge() -> None:
    """A triangle 0 → 1 → 2 with 0 → 2 half there: 0 is half one step, and half two steps, away from 2."""
    batch = one_graph(3, torch.tensor([[0, 1, 0], [1, 2, 2]])).batch()
    hops = TwoHops.of(batch)
    assert hops.pairs.edge_index.T.tolist() == [[0, 2]]
    edge_weight = torch.tensor([1.0 if pair != [0, 2] else 0.5 for pair in batch.edge_index.T.tolist()])
    x = torch.tensor([[1.0], [0.0], [0.0]])
    conv = H2GCN(1, 1)
    torch.nn.init.ones_(conv.linear.weight)
    torch.nn.init.zeros_(conv.linear.bias)
    near = 0.5 / (1.5 * 1.5) ** 0.5
    torch.testing.assert_close(conv(x, None, batch, edge_weight)[0][2, 0], torch.tensor(near + 1.0))


def test_layers_share_their_pairs() -> None:
    batch, x = sample().batch(), torch.ones(BATCH.num_nodes, 3)
    with patch.object(TwoHops, "of", wraps=TwoHops.of) as counted:
        H2GCN(3)(H2GCN(3)(x, None, batch)[0], None, batch)
    assert counted.call_count == 1
