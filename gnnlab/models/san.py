"""SAN: Kreuzer et al., "Rethinking Graph Transformers with Spectral Attention", NeurIPS 2021.

Every node attends to all others of its graph, along edges and elsewhere by maps of their own. With the scores s of
`gnnlab.nn.edge_attention`, from (Q, K, E) at an edge of the graph and from (Q', K') and one learnt vector in place of
E e at any other pair i ≠ j:

    x_i' = Σ_j a_ij V x_j / (Σ_j a_ij + 1e-6),   a_ij = exp(s_ij) / (1 + γ) at an edge, γ exp(s_ij) / (1 + γ) elsewhere.

γ = 0 leaves the edges alone. After it come the norms and the feed-forward block of the graph transformer. The
paper's encoding is `encoding=[lappe]` with `net: transformer`.
"""

from collections.abc import Callable, Sequence
from math import log, log1p

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, NonNegative, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.all_pairs import all_pairs, edge_pairs
from gnnlab.nn.edge_attention import EPS, MAX_SCORE, AfterAttention, EdgeScores
from gnnlab.nn.embedding import FeatureEmbedding, Merge, NodeEmbedding
from gnnlab.nn.head import Head
from gnnlab.nn.stack import Stack
from gnnlab.ops import dot_logits, edge_softmax_sum
from gnnlab.ops.linear import Linear
from gnnlab.spec import GraphSpec


class SAN(Stack):
    """SAN (Kreuzer et al. 2021): attention to all nodes, with maps of their own for edges and for all other pairs.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. `gamma`: the weight of the other pairs, 0
    for none.
    """

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        head: Callable[..., Head],
        hidden_dim: Count = 56,
        num_layers: Natural = 10,
        num_heads: Count = 8,
        gamma: NonNegative = 1e-5,
        dropout: Probability = 0.0,
        merge: Merge = "concat",
    ) -> None:
        nodes = NodeEmbedding(spec, hidden_dim, encodings, merge)
        edges = FeatureEmbedding(spec.edge, hidden_dim)
        layers = [SANLayer(hidden_dim, num_heads, gamma, dropout) for _ in range(num_layers)]
        super().__init__(nodes, edges, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))


class SANLayer(nn.Module):
    """x [N, d], e [E, d] to the next x and the same e."""

    static_shapes = False

    def __init__(self, dim: int, num_heads: int, gamma: float, dropout: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.edges = EdgeScores(dim, num_heads)
        self.others = OtherScores(dim, num_heads) if gamma else None
        self.value = Linear(dim, dim, bias=False)
        self.after = AfterAttention(dim, dropout)

    def forward(self, x: Tensor, e: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None]:
        scores, pairs = self.edges(x, e, batch, products=False)[0], batch
        if self.others is not None:
            pairs = all_pairs(batch)
            source, target = pairs.edge_index
            others = (self.others(x, pairs) + log(self.gamma)).masked_fill((source == target)[:, None], -torch.inf)
            scores = others.index_copy(0, edge_pairs(batch), scores) - log1p(self.gamma)
        mixed = edge_softmax_sum(scores, self.value(x), pairs, eps=EPS)
        return self.after(mixed, x, batch.real.num_nodes), e


class OtherScores(nn.Module):
    """x [N, d] to scores [P, H] of all pairs: the learnt vector is the same for all, so queries take it in."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key = Linear(dim, dim, bias=False), Linear(dim, dim, bias=False)
        self.no_edge = nn.Parameter(torch.randn(dim) / 3**0.5)

    def forward(self, x: Tensor, pairs: Batch) -> Tensor:
        scores = dot_logits(self.query(x) * self.no_edge, self.key(x), self.num_heads, pairs)
        return scores.clamp(-MAX_SCORE, MAX_SCORE)
