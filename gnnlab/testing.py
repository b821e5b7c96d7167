"""Small graphs of every kind, to try parts on."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.packed import Packed


def random_graph(
    num_nodes: int, num_edges: int, generator: torch.Generator, isolated: int = 0, components: int = 1
) -> Data:
    """An undirected simple graph of at most `num_edges` edges, with ZINC's kinds of features.

    The last `isolated` nodes have no edges; nodes i and j lie in the same component only if i ≡ j modulo
    `components`.
    """
    pairs = torch.randint(max(num_nodes - isolated, 1), (2, num_edges), generator=generator)
    pairs = pairs[:, (pairs[0] < pairs[1]) & ((pairs[0] - pairs[1]) % components == 0)].unique(dim=1)
    bond = torch.randint(4, (pairs.shape[1], 1), generator=generator)
    return Data(
        x=torch.randint(28, (num_nodes, 1), generator=generator),
        edge_index=torch.cat([pairs, pairs.flip(0)], dim=1),
        edge_attr=torch.cat([bond, bond]),
        y=torch.randn(1, 1, generator=generator),
        num_nodes=num_nodes,
    )


def graphs_of_all_kinds(seed: int = 0) -> list[Data]:
    """One node, two nodes, edgeless, 37 nodes, 400 nodes, an isolated node, and two components."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(1, 0), (2, 4), (5, 0), (37, 100), (400, 900)]
    return [
        *(random_graph(nodes, edges, generator) for nodes, edges in sizes),
        random_graph(8, 15, generator, isolated=1),
        random_graph(15, 40, generator, components=2),
    ]


def permuted(data: Data, order: Tensor) -> Data:
    """The same graph with its nodes renumbered: node i of the result is node order[i] of `data`."""
    assert data.x is not None
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    result = data.clone()
    result.edge_index = place[data.edge_index]
    result.x = data.x[order]
    return result


def one_batch(graphs: Sequence[Data]) -> Batch:
    """The graphs as one batch."""
    return Packed.from_graphs(graphs).batch()
