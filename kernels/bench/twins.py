"""Whole models as PyG's users write them: the peers of ours, parameter for parameter.

GPS is `experiments/gps_zinc_vs_pyg/twin.py`; the others are plain stacks, conv → BatchNorm → ReLU → residual.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, GINEConv, MessagePassing, global_mean_pool
from torch_geometric.utils import scatter

TWIN = Path(__file__).parents[2] / "experiments" / "gps_zinc_vs_pyg" / "twin.py"


def load_twin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("twin", TWIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class GatedGCNConv(MessagePassing):
    """GatedGCN with edge states on `MessagePassing`, as GraphGPS has it."""

    def __init__(self, dim: int) -> None:
        super().__init__(aggr="add")
        self.a, self.b, self.c, self.d, self.e = (nn.Linear(dim, dim) for _ in range(5))

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> tuple[Tensor, Tensor]:
        source, target = edge_index
        logits = self.d(x)[target] + self.e(x)[source] + self.c(edge_attr)
        gate = torch.sigmoid(logits)
        total = scatter(gate, target, 0, x.shape[0], "sum")
        return self.a(x) + self.propagate(edge_index, value=self.b(x), gate=gate) / (total + 1e-6), logits

    def message(self, value_j: Tensor, gate: Tensor) -> Tensor:
        return gate * value_j


class Stack(nn.Module):
    """Embeddings, `layers` convs with their norms, and a head: a pyramid over graphs, or one map of every node."""

    def __init__(self, conv: Callable[[int], nn.Module], dim: int, layers: int, bonds: bool) -> None:
        super().__init__()
        self.atoms = nn.Embedding(28, dim)
        self.bonds = nn.Embedding(4, dim) if bonds else None
        self.convs = nn.ModuleList(conv(dim) for _ in range(layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(dim) for _ in range(layers))
        updates = layers if isinstance(self.convs[0], GatedGCNConv) else 0
        self.edge_norms = nn.ModuleList(nn.BatchNorm1d(dim) for _ in range(updates))
        half, quarter = dim // 2, dim // 4
        self.head = nn.Sequential(
            nn.Linear(dim, half), nn.ReLU(), nn.Linear(half, quarter), nn.ReLU(), nn.Linear(quarter, 1)
        )

    def forward(self, data: Data) -> Tensor:
        x = self.atoms(data.x.squeeze(-1))
        e = self.bonds(data.edge_attr) if self.bonds is not None else None
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            if self.edge_norms:
                new, edges = conv(x, data.edge_index, e)
                e = e + self.edge_norms[index](edges).relu()
            else:
                new = conv(x, data.edge_index) if e is None else conv(x, data.edge_index, e)
            x = x + norm(new).relu()
        return self.head(global_mean_pool(x, data.batch)).squeeze(-1)


def gine(dim: int) -> GINEConv:
    return GINEConv(nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)))


def gcn(dim: int) -> GCNConv:
    return GCNConv(dim, dim, add_self_loops=False)


class NodeGCN(nn.Module):
    """GCN on one large graph, its normalisation cached, as PyG's users do for a fixed graph."""

    def __init__(self, features: int, dim: int, layers: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(features, dim)
        self.convs = nn.ModuleList(GCNConv(dim, dim, cached=True, add_self_loops=False) for _ in range(layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(dim) for _ in range(layers))
        self.last = nn.Linear(dim, classes)

    def forward(self, data: Data) -> Tensor:
        x = self.first(data.x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x + norm(conv(x, data.edge_index)).relu()
        return self.last(x)
