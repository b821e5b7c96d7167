"""Graphormer: Ying et al., "Do Transformers Really Perform Bad for Graph Representation?", NeurIPS 2021.

A transformer on all nodes of a graph and a virtual one, which knows the graph in three ways. Centrality encoding: a
learnt vector for each in- and out-degree. Spatial and edge encoding: biases of the scores for the distance of two
nodes and for the edges on the shortest paths between them (`gnnlab.nn.pair_bias`), shared by all layers. Each layer:

    h' = h + MHA(LN(h); bias),   h ← h' + FFN(LN(h')),   FFN = d → d → d with GELU.

The virtual node comes first in each graph, is apart from the others by a distance of its own, and is the read-out.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.embedding import NodeEmbedding
from gnnlab.nn.head import read, read_width
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.mlp import MLP
from gnnlab.nn.multi_head import head_width
from gnnlab.nn.pair_bias import PairBias
from gnnlab.ops.attention import pair_ptr
from gnnlab.ops.linear import Linear
from gnnlab.ragged import places
from gnnlab.spec import GraphSpec, Level


class Graphormer(nn.Module):
    """Graphormer (Ying et al. 2021): global attention that knows degrees, distances and the edges on shortest paths.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. Encodings are mapped to `hidden_dim`
    and added to the node features. Degrees from `max_degree` on share an embedding, distances above `max_distance` a
    bias. `path`: how many edges of a shortest path are read, 0 for none.
    """

    gives: ClassVar[tuple[str, ...]] = ("heads",)

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        hidden_dim: Count = 80,
        num_layers: Natural = 12,
        num_heads: Count = 8,
        dropout: Probability = 0.1,
        max_degree: Count = 63,
        max_distance: Count = 20,
        path: Natural = 5,
    ) -> None:
        super().__init__()
        head_width(hidden_dim, num_heads)
        self.level: Level = spec.level
        self.max_degree = max_degree
        self.nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add")
        self.centrality = nn.ModuleList(nn.Embedding(max_degree + 1, hidden_dim) for _ in ("in", "out"))
        self.virtual = nn.Parameter(0.02 * torch.randn(hidden_dim))
        self.bias = PairBias(spec, num_heads, max_distance, path)
        self.virtual_bias = nn.Parameter(0.02 * torch.randn(num_heads))
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(GraphormerLayer(hidden_dim, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        self.out = Linear(read_width(hidden_dim, spec.level), spec.out_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Small normal weights, as in the release: of standard deviation 0.02, of linear maps 0.02 / √layers."""
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02 * max(1, len(self.layers)) ** -0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, batch: Batch) -> Tensor:
        tokens = batch.once("tokens", Tokens.of)
        x = self.nodes(batch)
        for table, ptr in zip(self.centrality, (batch.rowptr, batch.colptr), strict=True):
            x = x + table(ptr.diff().clamp(max=self.max_degree))
        x = self.dropout(spread(x, self.virtual, tokens.nodes, tokens.batch.num_nodes))
        bias = spread(self.bias(batch), self.virtual_bias, tokens.pairs, int(pair_ptr(tokens.batch)[-1]))
        for layer in self.layers:
            x = layer(x, bias, tokens.batch)
        if self.level == "graph":
            return self.out(self.norm(x.index_select(0, tokens.batch.ptr[:-1])))
        return self.out(read(self.norm(x.index_select(0, tokens.nodes)), batch, self.level, "mean"))


class GraphormerLayer(nn.Module):
    """x [T, d], bias [P, H] for the P pairs of tokens, to the next x."""

    num_states: ClassVar[int] = 1

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(dim, num_heads, dropout)
        self.attention.first_stays = True
        self.feed_forward = MLP(dim, dim, dim, act="gelu", dropout=dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor, batch: Batch) -> Tensor:
        first, second = self.norms
        x = x + self.dropout(self.attention(first(x), batch, bias))
        return x + self.dropout(self.feed_forward(second(x)))


class Tokens(NamedTuple):
    """The nodes of each graph after a virtual one: a batch of T = N + B rows, for mixers, without edges.

    `nodes` [N], `pairs` [P]: where the nodes, and the pairs of nodes, are among the tokens and their pairs.
    """

    batch: Batch
    nodes: Tensor
    pairs: Tensor

    @classmethod
    def of(cls, batch: Batch) -> "Tokens":
        device, rows = batch.ptr.device, batch.num_nodes
        ptr = batch.ptr + torch.arange(batch.num_graphs + 1, device=device)
        nodes = torch.arange(rows, device=device) + batch.batch + 1
        tokens = Batch.without_edges(ptr, batch.max_nodes + 1)
        count = batch.ptr.diff()[batch.batch]
        row, column = places(count)
        pairs = (pair_ptr(tokens)[batch.batch] + (batch.place + 1) * (count + 1))[row] + column + 1
        return cls(tokens, nodes, pairs)


def spread(values: Tensor, other: Tensor, place: Tensor, rows: int) -> Tensor:
    """`values` [n, d] at the rows `place` [n] of [rows, d], `other` [d] at all others."""
    return other.to(values.dtype).expand(rows, -1).index_copy(0, place, values)
