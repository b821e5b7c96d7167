"""The shape that most models share: embeddings, layers one after the other, a head."""

from collections.abc import Iterable

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.embedding import FeatureEmbedding, NodeEmbedding
from gnnlab.nn.head import Head
from gnnlab.ops.tape import one_node


class Stack(nn.Module):
    """`Batch` to [B or N, spec.out_dim]: every layer maps x [N, d], e [E, d] or None to the next x, e.

    `edges` is None where no layer reads edge states.
    """

    def __init__(
        self, nodes: NodeEmbedding, edges: FeatureEmbedding | None, layers: Iterable[nn.Module], head: Head
    ) -> None:
        super().__init__()
        self.nodes = nodes
        self.edges = edges
        self.layers = nn.ModuleList(layers)
        self.head = head

    def forward(self, batch: Batch) -> Tensor:
        x = self.nodes(batch)
        e = self.edges(batch.edge_attr, batch.edge_index.shape[1]) if self.edges is not None else None
        states = [x]
        for layer in self.layers:
            x, e = one_node(layer, x, e, batch)
            states.append(x)
        return self.head(states, batch)
