"""Exphormer: Shirzad et al., "Exphormer: Sparse Transformers for Graphs", ICML 2023.

A GPS layer whose attention (`gnnlab.nn.edge_attention`) runs along a sparse graph: the edges, an expander, and
virtual nodes tied to all nodes (`gnnlab.nn.expander`). Its edges have a state each: the embedded features of an edge,
one learnt vector for the expander, one to and one from each virtual node. Beside it runs a local conv:

    x_M = BN(x + Drop(conv(x, e))),  x_T = BN(x + Drop(attention(x, u, all_e))),
    y = x_M + x_T,  x' = BN(y + Drop(FFN(y))).

Where the conv updates edges, x_M = BN(x + Drop(ReLU(BN(conv(x, e))))). The states `all_e` of the attention's edges are
the same in every layer. Its output at the V virtual nodes of each of B graphs is their state u [B V, d] in the next
layer, without norm or FFN; the first u is learnt.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.block import ConvBlock
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.edge_attention import EdgeAttention
from gnnlab.nn.embedding import FeatureEmbedding, NodeEmbedding
from gnnlab.nn.expander import Union
from gnnlab.nn.gate import Gated
from gnnlab.nn.head import Head
from gnnlab.nn.mlp import MLP
from gnnlab.ops import Around
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.spec import GraphSpec


class Exphormer(Gated):
    """Exphormer (Shirzad et al. 2023): a local conv beside attention along edges, an expander and virtual nodes.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. Every node has 2 · `cycles` expander
    edges, which depend on `expander_seed`.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight",)
    breaks_ties: ClassVar[bool] = True  # the expander takes nodes of equal degree in their order

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        conv: Callable[[int], Conv],
        head: Callable[..., Head],
        hidden_dim: Count = 40,
        num_layers: Natural = 5,
        num_heads: Count = 4,
        cycles: Natural = 5,
        virtual_nodes: Natural = 1,
        expander_seed: Natural = 0,
        dropout: Probability = 0.1,
    ) -> None:
        super().__init__()
        self.cycles, self.virtual_nodes, self.expander_seed = cycles, virtual_nodes, expander_seed
        self.nodes = NodeEmbedding(spec, hidden_dim, encodings)
        self.edges = FeatureEmbedding(spec.edge, hidden_dim)
        self.further_edges = nn.Parameter(torch.randn(1 + 2 * virtual_nodes, hidden_dim))
        self.virtual = nn.Parameter(torch.randn(virtual_nodes, hidden_dim))
        layers = (ExphormerLayer(conv(hidden_dim), hidden_dim, num_heads, dropout) for _ in range(num_layers))
        self.layers = nn.ModuleList(layers)
        self.head = head(dim=hidden_dim, depth=num_layers, spec=spec)

    def forward(self, batch: Batch) -> Tensor:
        settings = (self.cycles, self.virtual_nodes, self.expander_seed)
        union = batch.once(f"union, {settings}", lambda batch: Union.of(batch, *settings))
        x, e = self.nodes(batch), self.edges(batch.edge_attr, batch.num_edges)
        u, all_e = self.virtual.repeat(batch.num_graphs, 1), torch.cat([e, self.further_edges.to(e.dtype)])
        all_e, states, gate = all_e.index_select(0, union.kind), [x], self.gate(batch)
        for index, layer in enumerate(self.layers):
            weight = gate(index, x)
            if weight is not None:
                weight = torch.cat([weight, weight.new_ones(len(self.further_edges))])
            x, u, e = layer(x, u, e, all_e, batch, union, weight)
            states.append(x)
        return self.head(states, batch)


class ExphormerLayer(nn.Module):
    """x [N, d], u [B V, d], e [E, d] to the next ones; `all_e` [A, d] and `union`: the edges attended along.

    `weight`: of the edges and of the kinds of further edges, as `union.kind` numbers them.

    A conv that updates edges brings its own norm, activation and residual, as in `gnnlab.models.gps`.
    """

    def __init__(self, conv: Conv, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.residual_inside = conv.updates_edges
        self.conv = ConvBlock(conv, dim, dropout, dropout_before_residual=True) if conv.updates_edges else conv
        self.attention = EdgeAttention(dim, num_heads)
        self.conv_norm, self.attention_norm, self.norm = (BatchNorm(dim) for _ in range(3))
        self.feed_forward = MLP(dim, 2 * dim, dim, dropout=dropout)
        self.around = Around(first=dropout)

    def forward(
        self,
        x: Tensor,
        u: Tensor,
        e: Tensor | None,
        all_e: Tensor,
        batch: Batch,
        union: Union,
        weight: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        edge_weight, union_weight = (None, None) if weight is None else (weight[: batch.num_edges], weight[union.kind])
        rows, (local, e) = batch.real.num_nodes, self.conv(x, e, batch, edge_weight)
        before, around = (None, Around()) if self.residual_inside else (x, self.around)
        y = self.conv_norm(local, before, around=around, rows=rows)
        mixed, _ = self.attention(torch.cat([x, u.to(x.dtype)]), all_e, union.batch, union_weight, products=False)
        mixed, u = mixed.tensor_split([len(x)])
        y = self.attention_norm(mixed, x, after=y, around=self.around, rows=rows)
        return self.norm(self.feed_forward(y), y, around=self.around, rows=rows), u, e
