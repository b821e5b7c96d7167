"""GRIT: Ma et al., "Graph Inductive Biases in Transformers without Message Passing", ICML 2023.

Each pair (i, j) of nodes of a graph has a state e_ij. It begins as a linear map of the walks from i to j
(`gnnlab.encodings.rrwp`), plus the embedded features of the edge j → i if there is one: on a directed graph, the walks
go one way and the edge the other, as in the release. A node begins as its features plus a linear map of its walks back
to itself. In each head, with ρ(z) = sign(z) √|z|:

    ê_ij = ReLU(ρ((Q x_i + K x_j) ⊙ W e_ij) + B e_ij),   α_ij = softmax_j clamp(a · ê_ij, −5, 5),
    x_i' = Σ_j α_ij V x_j + U Σ_j α_ij ê_ij,   x_i' ← θ₁ ⊙ x_i' + θ₂ ⊙ x_i' log(1 + in-degree_i).

Then come x ← BN(y + FFN(y)) with y = BN(x + O x'), and e ← BN(e + O' ê). Q, W, B, O, O' and the FFN have biases; K, V,
U, a and the maps of walks have none. Shapes: x [N, d], e [P, d], α [P, H]. In code: W `factor`, B `offset` (paper:
W_Ew, W_Eb), a `score` (W_A), U `from_pairs` (W_Ev), θ `scale`, O `after.out`, O' `pair_out`.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.encodings.rrwp import relative_walks
from gnnlab.nn.all_pairs import all_pairs, edge_pairs
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.edge_attention import MAX_SCORE, AfterAttention
from gnnlab.nn.embedding import FeatureEmbedding, NodeEmbedding
from gnnlab.nn.head import Head
from gnnlab.nn.multi_head import head_width
from gnnlab.ops import aggregate, degree
from gnnlab.ops.batchnorm import BatchNorm
from gnnlab.ops.linear import Linear
from gnnlab.spec import GraphSpec


class GRIT(nn.Module):
    """GRIT (Ma et al. 2023): attention to all nodes by the states of pairs, which begin as random walks.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. Encodings are mapped to `hidden_dim` and
    added to the node features. `steps`: random walks of 0 … steps − 1 steps. `attention_dropout` acts on α. Memory
    grows with the square of the nodes.
    """

    rows_are_pairs: ClassVar[bool] = True

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        head: Callable[..., Head],
        hidden_dim: Count = 64,
        num_layers: Natural = 10,
        num_heads: Count = 8,
        steps: Count = 21,
        dropout: Probability = 0.0,
        attention_dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add")
        self.edges = FeatureEmbedding(spec.edge, hidden_dim) if spec.edge.kind != "none" else None
        self.node_walks, self.pair_walks = (Linear(steps, hidden_dim, bias=False) for _ in range(2))
        for linear in (self.node_walks, self.pair_walks):
            nn.init.xavier_uniform_(linear.weight)
        layers = (GRITLayer(hidden_dim, num_heads, dropout, attention_dropout) for _ in range(num_layers))
        self.layers = nn.ModuleList(layers)
        self.head = head(dim=hidden_dim, depth=num_layers, spec=spec)

    def forward(self, batch: Batch) -> Tensor:
        pairs, walks = all_pairs(batch), relative_walks(batch, self.steps).to(self.pair_walks.weight.dtype)
        own = pairs.rowptr[:-1] + batch.place  # the pairs (i, i), as those of i lie in the order of j
        x, e = self.nodes(batch) + self.node_walks(walks.index_select(0, own)), self.pair_walks(walks)
        if self.edges is not None:
            features = self.edges(batch.edge_attr, batch.num_edges)
            e = e.index_add(0, edge_pairs(batch), features.to(e.dtype))
        log_degree = degree(batch, "in").log1p().to(x.dtype)[:, None]
        states = [x]
        for layer in self.layers:
            x, e = layer(x, e, pairs, log_degree)
            states.append(x)
        return self.head(states, batch)


class GRITLayer(nn.Module):
    """x [N, d], e [P, d] to the next x and e; `log_degree` [N, 1]."""

    static_shapes: ClassVar[bool] = False  # how many pairs there are depends on the batch's values

    def __init__(self, dim: int, num_heads: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.attention = PairAttention(dim, num_heads, attention_dropout)
        self.scale = nn.Parameter(torch.empty(2, dim))
        nn.init.normal_(self.scale, std=(dim + 1) ** -0.5)  # Xavier's for the release's θ [1, dim, 2]
        self.dropout = Dropout(dropout)
        self.pair_out, self.pair_norm = Linear(dim, dim), BatchNorm(dim)
        self.after = AfterAttention(dim, dropout)

    def forward(self, x: Tensor, e: Tensor, pairs: Batch, log_degree: Tensor) -> tuple[Tensor, Tensor]:
        mixed, e_hat = self.attention(x, e, pairs)
        mixed = mixed * (self.scale[0] + self.scale[1] * log_degree)
        e = self.pair_norm(self.pair_out(self.dropout(e_hat)), e, rows=pairs.real.num_edges)
        return self.after(mixed, x, pairs.real.num_nodes), e


class PairAttention(nn.Module):
    """x [N, d], e [P, d] to x' [N, d], before degrees scale it, and ê [P, d]."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        width = head_width(dim, num_heads)
        self.query, self.key, self.value = Linear(dim, dim), Linear(dim, dim, bias=False), Linear(dim, dim, bias=False)
        self.factor, self.offset = Linear(dim, dim), Linear(dim, dim)
        self.score = nn.Parameter(torch.empty(num_heads, width))
        self.from_pairs = nn.Parameter(torch.empty(num_heads, width, width))
        self.dropout = Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As in the release, where W and B are one map to 2 dim, and the heads' parts of a and U one tensor each."""
        for linear in (self.query, self.key, self.value):
            nn.init.xavier_normal_(linear.weight)
        for linear in (self.factor, self.offset):
            nn.init.normal_(linear.weight, std=(2 / (3 * linear.in_features)) ** 0.5)
        nn.init.xavier_normal_(self.score)
        heads, width = self.score.shape
        nn.init.normal_(self.from_pairs, std=(2 / (width * (heads + width))) ** 0.5)

    def forward(self, x: Tensor, e: Tensor, pairs: Batch) -> tuple[Tensor, Tensor]:
        source, target = pairs.edges.source, pairs.edges.target
        ends = self.query(x).index_select(0, target) + self.key(x).index_select(0, source)
        e_hat = (signed_root(ends * self.factor(e)) + self.offset(e)).relu()
        e_heads = e_hat.unflatten(1, self.score.shape)
        weight = (e_heads * self.score).sum(-1).clamp(-MAX_SCORE, MAX_SCORE).exp()
        alpha = self.dropout(weight / aggregate(weight, pairs).index_select(0, target)).unsqueeze(-1)
        value = self.value(x).index_select(0, source).unflatten(1, self.score.shape)
        of_nodes, of_pairs = (aggregate((alpha * part).flatten(1), pairs) for part in (value, e_heads))
        of_pairs = torch.einsum("nhc,hcd->nhd", of_pairs.unflatten(1, self.score.shape), self.from_pairs)
        return of_nodes + of_pairs.flatten(1), e_hat


def signed_root(z: Tensor) -> Tensor:
    """sign(z) √|z|, whose gradient stays finite at 0."""
    return z.sign() * z.abs().clamp(min=1e-12).sqrt()
