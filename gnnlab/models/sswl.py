"""SSWL: Zhang et al., "A Complete Expressiveness Hierarchy for Subgraph GNNs via Subgraph Weisfeiler-Lehman Tests",
ICML 2023.

Every node u is the root of a copy of its graph, and h(u, v) is the state of node v in the copy of u, at first
h(u, v) = x_v + t[min(d(v, u), 5)] with a table t, t[6] where v is in another component. A layer is, for a set S of
aggregations that says what is seen of h, and e_vw the feature of edge w → v, embedded anew for each of them,

    h ← ReLU(BN(Σ_{a ∈ S} MLP_a((1 + ε_a) h + a(h)))),    MLP = Linear, BN, ReLU, Linear (`NormedMLP`),
    uL: Σ_{w ∈ N(v)} ReLU(h(u, w) + e_vw)    vL: Σ_{w ∈ N(u)} ReLU(h(w, v) + e_uw)    vG: Σ_w h(w, v)    vv: h(v, v).

In the end x_u = Σ_v h(u, v) ("vs": first v, then u; kinds without an ending too), or x_v = Σ_u h(u, v) ("sv"), and MLP,
BN, ReLU. Shapes: h [P, d] for the P = Σ_g n_g² rows (v, u) of `node_pairs`, the copies being its columns; x [N, d].
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural
from gnnlab.encodings.base import Encoding
from gnnlab.encodings.columns import node_pairs
from gnnlab.encodings.networks import NormedMLP
from gnnlab.encodings.spd import distances
from gnnlab.nn.embedding import FeatureEmbedding, NodeEmbedding
from gnnlab.nn.hac import cluster
from gnnlab.nn.head import read, read_width
from gnnlab.nn.mlp import MLP
from gnnlab.ops import Around, gine, pool
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.spec import GraphSpec, Level

Kind = Literal["swl_vs", "swl_sv", "pswl_vs", "pswl_sv", "gswl", "sswl", "sswl+"]
AGGREGATIONS: dict[Kind, tuple[str, ...]] = {
    "swl_vs": ("uL",),
    "swl_sv": ("uL",),
    "pswl_vs": ("uL", "vv"),
    "pswl_sv": ("uL", "vv"),
    "gswl": ("uL", "vG"),
    "sswl": ("uL", "vL"),
    "sswl+": ("uL", "vL", "vv"),
}


class Pairs(NamedTuple):
    """The rows (v, u), a `Batch` whose "graphs" are the nodes of the one they are made of.

    So `rows.batch` is v, `rows.node["column"]` the place of u in its graph, and `pool` sums over u. `swap`, `diagonal`
    [P]: the rows (u, v) and (v, v). `edge`: for each edge of `rows`, its edge of the graph.
    """

    rows: Batch
    swap: Tensor
    diagonal: Tensor
    edge: Tensor

    @classmethod
    def of(cls, batch: Batch) -> "Pairs":
        rows = node_pairs(batch)
        start, first = rows.ptr, batch.ptr[batch.batch[rows.batch]]
        place, target = batch.place[rows.batch], rows.edge_index[1]
        number = torch.arange(rows.num_edges, device=target.device) - rows.rowptr[target]
        swap = start[first + rows.node["column"]] + place
        return cls(rows, swap, start[rows.batch] + place, batch.rowptr[rows.batch[target]] + number)


class SSWL(nn.Module):
    """Subgraph GNNs of all six classes (Zhang et al. 2023); SSWL+, the default, is of the class of SSWL.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. Memory grows with the square of a graph's
    nodes. At node and edge level, a node's state is its x as pooled. `max_distance`: farther nodes count as this far
    away.
    """

    rows_are_pairs: ClassVar[bool] = True
    static_shapes: ClassVar[bool] = False  # how many rows there are depends on the batch's values

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        hidden_dim: Count = 96,
        num_layers: Natural = 6,
        kind: Kind = "sswl+",
        max_distance: Count = 5,
    ) -> None:
        super().__init__()
        self.level: Level = spec.level
        self.max_distance = max_distance
        self.root_first = kind.endswith("_sv")
        self.nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add")
        self.distance = nn.Embedding(max_distance + 2, hidden_dim)
        self.layers = nn.ModuleList(SSWLLayer(spec, hidden_dim, AGGREGATIONS[kind]) for _ in range(num_layers))
        self.mlp, self.norm = NormedMLP(hidden_dim, hidden_dim, hidden_dim), BatchNorm(hidden_dim)
        self.head = MLP(read_width(hidden_dim, spec.level), 2 * hidden_dim, spec.out_dim)
        for module in self.modules():
            if isinstance(module, FeatureEmbedding):
                module.reset_tables()

    def forward(self, batch: Batch) -> Tensor:
        pairs, farthest = batch.once("sswl", Pairs.of), self.max_distance
        bucket = batch.once(f"buckets, {farthest}", lambda batch: buckets(batch, farthest))
        h = self.nodes(batch)[pairs.rows.batch] + self.distance(bucket)
        for layer in self.layers:
            h = layer(h, batch, pairs)
        x = pool(h if self.root_first else h[pairs.swap], pairs.rows, "sum")
        real = batch.real.num_nodes
        x = self.norm(self.mlp(x, real), around=Around(relu=True), rows=real)
        return self.head(read(x, batch, self.level, "mean"))


def buckets(batch: Batch, max_distance: int) -> Tensor:
    """[P]: min(d(v, u), `max_distance`) of each row (v, u); `max_distance` + 1 between components."""
    rows, nowhere = node_pairs(batch), torch.zeros(batch.num_edges, device=batch.ptr.device)
    component = cluster(batch, nowhere, max(1, (batch.max_nodes - 1).bit_length())).levels[-1]
    root = batch.ptr[batch.batch[rows.batch]] + rows.node["column"]
    return torch.where(component[rows.batch] == component[root], distances(batch, max_distance - 1), max_distance + 1)


class SSWLLayer(nn.Module):
    """h [P, d] to the next."""

    def __init__(self, spec: GraphSpec, dim: int, aggregations: Sequence[str]) -> None:
        super().__init__()
        self.aggregations = aggregations
        self.eps = nn.Parameter(torch.zeros(len(aggregations)))
        local = [name for name in aggregations if name in ("uL", "vL")]
        self.edges = nn.ModuleDict({name: FeatureEmbedding(spec.edge, dim) for name in local})
        self.mlps = nn.ModuleDict({name: NormedMLP(dim, dim, dim) for name in aggregations})
        self.norm = BatchNorm(dim)

    def forward(self, h: Tensor, batch: Batch, pairs: Pairs) -> Tensor:
        real = pairs.rows.real.num_nodes
        parts = []
        for name, eps in zip(self.aggregations, self.eps, strict=True):
            e = self.edges[name](batch.edge_attr, batch.num_edges)[pairs.edge] if name in self.edges else None
            parts.append(self.mlps[name]((1 + eps) * h + aggregate(name, h, e, pairs), real))
        return self.norm(torch.stack(parts).sum(0), around=Around(relu=True), rows=real)


def aggregate(name: str, h: Tensor, e: Tensor | None, pairs: Pairs) -> Tensor:
    """a(h) [P, d]; e [edges of the rows, d] for uL and vL."""
    rows, swap, diagonal, _ = pairs
    if name == "vv":
        return h[diagonal]
    if name == "vG":
        return pool(h, rows, "sum")[rows.batch]
    assert e is not None
    return gine(h, e, rows) if name == "uL" else gine(h[swap], e, rows)[swap]
