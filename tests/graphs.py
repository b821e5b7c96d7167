"""Graphs of nothing but nodes and edges, packed."""

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import from_networkx

from gnnlab.packed import Packed


def pack(*graphs: nx.Graph) -> Packed:
    return Packed.from_graphs([Data(edge_index=from_networkx(g).edge_index, num_nodes=len(g)) for g in graphs])


def one_graph(num_nodes: int, edges: Tensor) -> Packed:
    """Of `edges` [2, E] as they are."""
    return Packed.from_tensors(torch.tensor([num_nodes]), torch.tensor([edges.shape[1]]), edges)
