"""GATv2: Brody et al., "How Attentive are Graph Attention Networks?", ICLR 2022."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Probability
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.loops import add_loops
from gnnlab.nn.multi_head import head_width
from gnnlab.ops import edge_softmax_sum, gatv2_logits
from gnnlab.ops.linear import Linear


class GATv2(Conv):
    """GATv2 (Brody et al. 2022): GAT whose ranking of the neighbours may differ from node to node; reads edges.

    Head by head, the heads side by side: x_i' = Σ_j α_ij (S x_j + b) with
    α_ij = softmax_j a·LeakyReLU(S x_j + T x_i + E e_ij + b), over the in-neighbours, and i itself with e_ii = 0 where
    `self_loops`. The paper's W is T | S, without E. An edge weight multiplies exp of the score. In training,
    `attention_dropout` acts on the α. In code: S, b `source`, T `target`, E `edge`, a `attention`.
    """

    uses_edges = True

    def __init__(
        self, dim: int, num_heads: Count = 8, self_loops: bool = True, attention_dropout: Probability = 0.0
    ) -> None:
        super().__init__()
        self.self_loops, self.attention_dropout = self_loops, attention_dropout
        self.attention = nn.Parameter(torch.empty(num_heads, head_width(dim, num_heads, "model.conv")))
        self.source = Linear(dim, dim)
        self.target = Linear(dim, dim, bias=False)
        self.edge = Linear(dim, dim, bias=False)
        nn.init.zeros_(self.source.bias)
        for weight in (self.source.weight, self.target.weight, self.edge.weight, self.attention):
            nn.init.xavier_uniform_(weight)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert e is not None
        edge = self.edge(e)
        if self.self_loops:
            batch, edge, edge_weight = add_loops(batch, edge, edge_weight)
        value = self.source(x)
        logits = gatv2_logits(value, self.target(x), self.attention, batch, edge)
        dropout = self.attention_dropout if self.training else 0.0
        return edge_softmax_sum(logits, value, batch, dropout=dropout, edge_weight=edge_weight), e
