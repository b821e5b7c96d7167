"""Hybrid graph sequence model: Behrouz et al., "Best of Both Worlds: Advantages of Hybrid Graph Sequence Models"
(GSM++), 2024.

A state-space model reads a graph's tokens (`gnnlab.nn.tokens`), and attention follows:

    mixer(x) = Attention(LayerNorm(x + tokens(x))),

whose scores know how far apart two nodes' clusters are (`gnnlab.nn.cluster_bias`). Shapes: x [N, d].
"""

from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.nn.cluster_bias import ClusterBias
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.tokens import Tokens, clusters, tokeniser


class Hybrid(nn.Module):
    """Mamba over hierarchical tokens, then attention (GSM++, Behrouz et al. 2024): x [N, dim] to [N, dim].

    `max_distance`: distances of clusters above count as one, 0 for none of them.
    """

    gives: ClassVar[tuple[str, ...]] = ("heads",)

    def __init__(
        self,
        dim: int,
        tokens: Tokens = "mixture",
        levels: Count = 3,
        num_heads: Count = 4,
        dropout: Probability = 0.0,
        max_distance: Natural = 8,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.tokens = tokeniser(dim, tokens, levels)
        self.bias = ClusterBias(num_heads, levels, max_distance) if max_distance else None
        self.norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads, dropout)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        bias = None if self.bias is None else self.bias(batch, *clusters(batch, self.levels))
        return self.attention(self.norm(x + self.tokens(x, batch)), batch, bias)
