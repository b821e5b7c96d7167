"""Softmax attention along edges: Vaswani et al., NeurIPS 2017, on a graph as in Shi et al., "Masked Label Prediction:
Unified Message Passing Model for Semi-Supervised Classification", IJCAI 2021.
"""

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.loops import add_loops
from gnnlab.nn.multi_head import head_width
from gnnlab.ops import dot_logits, edge_softmax_sum
from gnnlab.ops.linear import Linear


class Transformer(Conv):
    """Graph transformer layer (Shi et al. 2021): scaled dot-product attention over the neighbours.

    Head by head, d_k wide, the heads side by side: x_i' = Σ_j α_ij V x_j with α_ij = softmax_j (Q x_i)·(K x_j) / √d_k,
    over the in-neighbours, and i itself where `self_loops`. An edge weight multiplies exp of the score. Biases in all
    maps. The paper's edge features and gated residual are left out.
    """

    def __init__(self, dim: int, num_heads: Count = 8, self_loops: bool = True) -> None:
        super().__init__()
        head_width(dim, num_heads, "model.conv")
        self.num_heads, self.self_loops = num_heads, self_loops
        self.query, self.key, self.value = (Linear(dim, dim) for _ in range(3))

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if self.self_loops:
            batch, _, edge_weight = add_loops(batch, None, edge_weight)
        scores = dot_logits(self.query(x), self.key(x), self.num_heads, batch)
        return edge_softmax_sum(scores, self.value(x), batch, edge_weight=edge_weight), e
