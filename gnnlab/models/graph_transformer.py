"""Graph transformer: Dwivedi & Bresson, "A Generalization of Transformer Networks to Graphs", DLG-AAAI 2021.

Every node attends to its in-neighbours (`gnnlab.nn.edge_attention`), and the products w that its scores sum up are
the edges' own messages. With BN over all nodes, or all edges, of the batch:

    y = BN(x + O_x x'),  x ← BN(y + FFN(y)),   and for the edges   z = BN(e + O_e w),  e ← BN(z + FFN(z)).

Laplacian eigenvectors are mapped linearly and added to the node features. Where edges have no features, scores do
without them.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.edge_attention import AfterAttention, EdgeAttention
from gnnlab.nn.embedding import FeatureEmbedding, NodeEmbedding
from gnnlab.nn.head import Head
from gnnlab.nn.multi_head import MultiHead, columns, narrow
from gnnlab.nn.stack import Stack
from gnnlab.spec import GraphSpec


class GraphTransformer(Stack):
    """Graph transformer (Dwivedi & Bresson 2021): attention along edges, which have states and layers of their own.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. Encodings are mapped to `hidden_dim` and
    added to the node features.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight", "heads")

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        head: Callable[..., Head],
        hidden_dim: Count = 64,
        num_layers: Natural = 10,
        num_heads: Count = 8,
        dropout: Probability = 0.0,
    ) -> None:
        has_edges = spec.edge.kind != "none"
        nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add")
        edges = FeatureEmbedding(spec.edge, hidden_dim) if has_edges else None
        layers = [GraphTransformerLayer(hidden_dim, num_heads, dropout, has_edges) for _ in range(num_layers)]
        super().__init__(nodes, edges, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))


class GraphTransformerLayer(MultiHead):
    """x [N, d], e [E, d] to the next x and e; without `edges`, e is None."""

    def __init__(self, dim: int, num_heads: int, dropout: float, edges: bool) -> None:
        super().__init__()
        self.dim, self.num_heads = dim, num_heads
        self.attention = EdgeAttention(dim, num_heads, edges)
        self.nodes = AfterAttention(dim, dropout)
        self.edges = AfterAttention(dim, dropout) if edges else None

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        mixed, products = self.attention(x, e, batch, edge_weight)
        if self.head_mask is not None:
            mixed = self.head_mask(mixed, batch.batch, batch.num_graphs)
            if products is not None:
                products = self.head_mask(products, batch.batch[batch.edge_index[1]], batch.num_graphs)
        x = self.nodes(mixed, x, batch.real.num_nodes)
        if self.edges is not None:
            e = self.edges(products, e, batch.real.num_edges)
        return x, e

    def keep_heads(self, heads: Tensor) -> None:
        kept, scores = columns(heads, self.num_heads, self.attention.value.out_features), self.attention.scores
        for linear in (scores.query, scores.key, scores.edge, self.attention.value):
            if linear is not None:
                narrow(linear, rows=kept)
        for after in (self.nodes, self.edges):
            if after is not None:
                narrow(after.out, inputs=kept)
        self.num_heads = scores.num_heads = len(heads)

    def flops(self, nodes: Tensor, edges: Tensor, heads: int) -> Tensor:
        width = heads * self.attention.value.out_features // self.num_heads
        return (8 * nodes + 4 * (self.edges is not None) * edges) * self.dim * width
