"""GNN+: Luo et al., "Can Classic GNNs Be Strong Baselines for Graph-level Tasks?", ICML 2025.

A layer is x_C = [x +] Drop(act([BN] conv(x, e))) and then, with a feed-forward block, y = BN(x_C) and
x' = BN(y + Drop(W₂ Drop(act(W₁ y)))) with W₁ : d → 2d. GCN+, GINE+ and GatedGCN+ are `model/conv=gcne`, `gine` (without
the first norm) and `gatedgcn`, whose edges get e' = [e +] Drop(act([BN] ê)).
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.activation import Activation, activation
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.embedding import NodeEmbedding, edge_embedding
from gnnlab.nn.head import Head
from gnnlab.nn.mlp import MLP
from gnnlab.nn.stack import Stack
from gnnlab.ops import Around
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.spec import GraphSpec


class GNNPlus(Stack):
    """GNN+ (Luo et al. 2025): any conv with norm, dropout, residual, feed-forward blocks and encodings.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. `norm` and `residual`: around the convs;
    the feed-forward block always has both.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight",)

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        conv: Callable[[int], Conv],
        head: Callable[..., Head],
        hidden_dim: Count = 64,
        num_layers: Natural = 12,
        dropout: Probability = 0.0,
        act: Activation = "relu",
        norm: bool = True,
        residual: bool = True,
        feed_forward: bool = True,
    ) -> None:
        nodes = NodeEmbedding(spec, hidden_dim, encodings)
        convs = [conv(hidden_dim) for _ in range(num_layers)]
        layers = [PlusLayer(layer, hidden_dim, dropout, act, norm, residual, feed_forward) for layer in convs]
        edges = edge_embedding(spec.edge, hidden_dim, convs)
        super().__init__(nodes, edges, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))


class PlusLayer(nn.Module):
    """x [N, d], e [E, d] to the next x and e."""

    def __init__(
        self, conv: Conv, dim: int, dropout: float, act: Activation, norm: bool, residual: bool, feed_forward: bool
    ) -> None:
        super().__init__()
        self.conv, self.residual = conv, residual
        self.node_norm = BatchNorm(dim) if norm else None
        self.edge_norm = BatchNorm(dim) if norm and conv.updates_edges else None
        self.act, self.dropout = activation(act), Dropout(dropout)
        self.feed_forward = MLP(dim, 2 * dim, dim, act=act, dropout=dropout) if feed_forward else None
        if feed_forward:
            self.norms = nn.ModuleList([BatchNorm(dim), BatchNorm(dim)])
            self.around = Around(first=dropout)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        new_x, new_e = self.conv(x, e, batch, edge_weight)
        rows = batch.real.num_nodes
        x = self.update(x, new_x, self.node_norm, rows)
        if e is not None and self.conv.updates_edges:
            e = self.update(e, new_e, self.edge_norm, batch.real.num_edges)
        if self.feed_forward is not None:
            before, after = self.norms
            y = before(x, rows=rows)
            x = after(self.feed_forward(y), y, around=self.around, rows=rows)
        return x, e

    def update(self, old: Tensor, new: Tensor, norm: BatchNorm | None, rows: Tensor | None) -> Tensor:
        new = self.dropout(self.act(new if norm is None else norm(new, rows=rows)))
        return old + new if self.residual else new
