"""Attention along edges, whose states take part in the scores: Dwivedi & Bresson, "A Generalization of Transformer
Networks to Graphs", 2021. Head by head, d_k wide, the heads side by side:

    w_ij = (Q x_i) ⊙ (K x_j) ⊙ (E e_ij) / √d_k,   s_ij = clamp(Σ_c w_ijc, −5, 5),
    x_i' = Σ_j exp(s_ij) V x_j / (Σ_j exp(s_ij) + 1e-6).

Shapes: x [N, d], e [E, d], w [E, d], s [E, H]. The four maps have no biases.
"""

from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.mlp import MLP
from gnnlab.nn.multi_head import head_width
from gnnlab.ops import dot_logits, dot_products, edge_softmax_sum
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.linear import Linear

MAX_SCORE = 5.0
EPS = 1e-6


class EdgeScores(nn.Module):
    """x, e to s [E, H] and w [E, d]; without `edges`, E e_ij is left out, e is None and so is w.

    Without `products`, w is not written down.
    """

    own_init: ClassVar[tuple[str, ...]] = ("query", "key", "edge")

    def __init__(self, dim: int, num_heads: int, edges: bool = True) -> None:
        super().__init__()
        head_width(dim, num_heads)
        self.num_heads = num_heads
        self.query, self.key = Linear(dim, dim, bias=False), Linear(dim, dim, bias=False)
        self.edge = Linear(dim, dim, bias=False) if edges else None

    def forward(self, x: Tensor, e: Tensor | None, batch: Batch, products: bool = True) -> tuple[Tensor, Tensor | None]:
        query, key, edge = self.query(x), self.key(x), None if self.edge is None else self.edge(e)
        if edge is None or not products:
            return dot_logits(query, key, self.num_heads, batch, edge).clamp(-MAX_SCORE, MAX_SCORE), None
        scores, w = dot_products(query, key, self.num_heads, batch, edge)
        return scores.clamp(-MAX_SCORE, MAX_SCORE), w


class EdgeAttention(nn.Module):
    """x, e to x' [N, d] and w [E, d], None without `products`: see above. A node without in-edges gets zeros.

    An `edge_weight` [E] multiplies exp(s), so an edge of weight 0 is an edge removed.
    """

    def __init__(self, dim: int, num_heads: int, edges: bool = True) -> None:
        super().__init__()
        self.scores = EdgeScores(dim, num_heads, edges)
        self.value = Linear(dim, dim, bias=False)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None, products: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        scores, w = self.scores(x, e, batch, products)
        return edge_softmax_sum(scores, self.value(x), batch, eps=EPS, edge_weight=edge_weight), w


class AfterAttention(nn.Module):
    """What follows attention m in a layer: y = BN(x + O Drop(m)), x' = BN(y + W₂ Drop(ReLU(W₁ y))), W₁ : d → 2d."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.out = Linear(dim, dim)
        self.norm = BatchNorm(dim)
        self.feed_forward = MLP(dim, 2 * dim, dim, dropout=dropout)
        self.last_norm = BatchNorm(dim)

    def forward(self, m: Tensor, x: Tensor, rows: Tensor | None) -> Tensor:
        """m, x [N, d]; `rows` [1]: how many of the rows are not padding."""
        y = self.norm(self.out(self.dropout(m)), x, rows=rows)
        return self.last_norm(self.feed_forward(y), y, rows=rows)
