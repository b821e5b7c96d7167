"""Small graphs of every kind, to try parts on."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data

from gnnlab.batch import Batch
from gnnlab.packed import Packed


def random_graph(num_nodes: int, num_edges: int, generator: torch.Generator, atoms: int = 28, bonds: int = 4) -> Data:
    """An undirected simple graph of at most `num_edges` edges, with categorical features."""
    pairs = torch.randint(max(num_nodes, 1), (2, num_edges), generator=generator)
    pairs = pairs[:, pairs[0] < pairs[1]].unique(dim=1)
    bond = torch.randint(bonds, (pairs.shape[1], 1), generator=generator)
    return Data(
        x=torch.randint(atoms, (num_nodes, 1), generator=generator),
        edge_index=torch.cat([pairs, pairs.flip(0)], dim=1),
        edge_attr=torch.cat([bond, bond]),
        y=torch.randn(1, 1, generator=generator),
        num_nodes=num_nodes,
    )


def graphs_of_all_kinds(seed: int = 0) -> list[Data]:
    """One node, two nodes, edgeless, an isolated node, two components, 37 nodes and 400 nodes."""
    generator = torch.Generator().manual_seed(seed)
    left, right = random_graph(9, 20, generator), random_graph(6, 12, generator)
    both = Data(
        x=torch.cat([left.x, right.x]),
        edge_index=torch.cat([left.edge_index, right.edge_index + 9], dim=1),
        edge_attr=torch.cat([left.edge_attr, right.edge_attr]),
        y=left.y,
        num_nodes=15,
    )
    isolated = random_graph(7, 15, generator)
    isolated.x = torch.cat([isolated.x, isolated.x[:1]])
    isolated.num_nodes = 8
    sizes = [(1, 0), (2, 4), (5, 0), (37, 100), (400, 900)]
    return [*(random_graph(n, e, generator) for n, e in sizes), isolated, both]


def permuted(data: Data, order: Tensor) -> Data:
    """The same graph with its nodes renumbered: node i of the result is node order[i] of `data`."""
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    result = data.clone()
    result.edge_index = place[data.edge_index]
    result.x = data.x[order]
    return result


def one_batch(graphs: Sequence[Data]) -> Batch:
    """The graphs as one batch."""
    return Packed.from_graphs(graphs).batch()
