"""GAT: Veličković et al., "Graph Attention Networks", ICLR 2018."""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Probability
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.loops import add_loops
from gnnlab.nn.multi_head import head_width
from gnnlab.ops import edge_softmax_sum, gat, gat_scores
from gnnlab.ops.edge_softmax import SLOPE
from gnnlab.ops.linear import Linear


class GAT(Conv):
    """GAT (Veličković et al. 2018): attention over the neighbours, each scored by itself and the node.

    Head by head, the heads side by side: x_i' = Σ_j α_ij W x_j with α_ij = softmax_j LeakyReLU(s·W x_j + t·W x_i),
    over the in-neighbours, and i itself where `self_loops`. The paper's a is t ‖ s; in code: t `target`, s `source`. An
    edge weight multiplies exp of the score. No bias. `weights=False`: W = 1, where embedding and head map already. In
    training, `attention_dropout` acts on the α.
    """

    def __init__(
        self,
        dim: int,
        num_heads: Count = 8,
        self_loops: bool = True,
        weights: bool = True,
        attention_dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        head_dim = head_width(dim, num_heads, "model.conv")
        self.self_loops, self.attention_dropout = self_loops, attention_dropout
        self.linear = Linear(dim, dim, bias=False) if weights else None
        self.source = nn.Parameter(torch.empty(num_heads, head_dim))
        self.target = nn.Parameter(torch.empty(num_heads, head_dim))
        for weight in (self.source, self.target, *([self.linear.weight] if self.linear else [])):
            nn.init.xavier_uniform_(weight)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if self.self_loops:
            batch, _, edge_weight = add_loops(batch, None, edge_weight)
        value = x if self.linear is None else self.linear(x)
        source, target = gat_scores(value, self.source, self.target)
        dropout = self.attention_dropout if self.training else 0.0
        if not dropout:
            return gat(source, target, value, batch, edge_weight), e
        score = source.index_select(0, batch.edges.source) + target.index_select(0, batch.edges.target)
        logits = leaky_relu(score, SLOPE)
        return edge_softmax_sum(logits, value, batch, dropout=dropout, edge_weight=edge_weight), e
