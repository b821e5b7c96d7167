"""Global softmax attention over the nodes of each graph (Vaswani et al., 2017; GPS, Rampášek et al., 2022)."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Probability
from gnnlab.nn.multi_head import MultiHead, columns, head_width, narrow
from gnnlab.ops import attention
from gnnlab.ops.linear import Linear

LEAST = 1e-6
"""Floor of the sum of a query's weighted attention; below it, the query reads next to nothing."""


class Attention(MultiHead):
    """Multi-head self-attention within each graph: x [N, dim] to [N, dim].

    Head by head, C wide, Σ_j α_ij V x_j with α_ij = softmax_j ((Q x_i)·(K x_j) / √C + b_ij) over all nodes j of the
    graph; O maps the heads side by side. Biases in all four maps. `dropout` acts on the α, in training. `bias` [P, H]
    is b, none by default, see `gnnlab.ops.attention`; it may still have the columns of heads removed since.
    `first_stays`: token selection never drops the first token of a graph. In code: Q | K | V `qkv`, O `out`.
    """

    selects_tokens: ClassVar[bool] = True
    first_stays = False
    heads: Tensor | None

    def __init__(self, dim: int, num_heads: Count = 4, dropout: Probability = 0.0) -> None:
        super().__init__()
        head_width(dim, num_heads, "model.mixer")
        self.dim, self.num_heads = dim, num_heads
        self.dropout = dropout
        self.register_buffer("heads", None)
        self.qkv = Linear(dim, 3 * dim)
        self.out = Linear(dim, dim)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, batch: Batch, bias: Tensor | None = None) -> Tensor:
        if self.token_mask is not None:
            return self.token_mask(self, x, batch, bias)
        return self.read(x, batch, bias)

    def read(self, x: Tensor, batch: Batch, bias: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """Attention of all to all; a `weight` w [N] multiplies exp(score) for each key.

        That is Σ_j α_ij w_j v_j / Σ_j α_ij w_j: attention of the values times w, over attention of w alone.
        """
        qkv, dropout = self.qkv(x), self.dropout if self.training else 0.0
        if bias is not None and self.heads is not None:
            bias = bias.index_select(1, self.heads)
        if weight is None:
            mixed = attention(qkv, batch, self.num_heads, dropout, bias)
        else:
            query, key, value = qkv.chunk(3, 1)
            total = torch.cat([query, key, weight[:, None].expand_as(value)], 1)
            mixed = attention(torch.cat([query, key, weight[:, None] * value], 1), batch, self.num_heads, dropout, bias)
            mixed = mixed / attention(total, batch, self.num_heads, 0.0, bias).clamp(min=LEAST)
        if self.head_mask is not None:
            mixed = self.head_mask(mixed, batch.batch, batch.num_graphs)
        return self.out(mixed)

    def keep_heads(self, heads: Tensor) -> None:
        kept = columns(heads, self.num_heads, self.out.in_features)
        narrow(self.qkv, rows=torch.cat([part * self.out.in_features + kept for part in range(3)]))
        narrow(self.out, inputs=kept)
        self.num_heads = len(heads)
        self.heads = heads

    def flops(self, nodes: Tensor, edges: Tensor, heads: int) -> Tensor:
        width = heads * self.out.in_features // self.num_heads
        return 8 * nodes * self.dim * width + 4 * nodes**2 * width
