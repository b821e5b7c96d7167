"""GCNII: Chen et al., "Simple and Deep Graph Convolutional Networks", ICML 2020.

h⁰ = ReLU(x⁰) of the embedded features x⁰, with dropout on those that are numbers, then the layers of
`gnnlab.nn.conv.gcnii` with dropout before each. There they are one conv; here each is a layer of the model, which an
aggregation policy can tell from the others.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Positive, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.conv.gcnii import gcnii_layers
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.embedding import NodeEmbedding
from gnnlab.nn.head import Head
from gnnlab.nn.stack import Stack
from gnnlab.spec import GraphSpec


class GCNII(Stack):
    """GCNII (Chen et al. 2020): a deep GCN whose layers keep a share of the first state, with maps near the identity.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. `alpha`: the share of the first state;
    `theta`: how far from the identity.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight",)

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        head: Callable[..., Head],
        hidden_dim: Count = 64,
        num_layers: Natural = 8,
        dropout: Probability = 0.0,
        alpha: Probability = 0.1,
        theta: Positive = 0.5,
    ) -> None:
        of_input = dropout if spec.node.kind == "continuous" else 0.0
        nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add", dropout=of_input)
        layers = gcnii_layers(hidden_dim, num_layers, alpha, theta)
        super().__init__(nodes, None, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))
        self.dropout = Dropout(dropout)

    def forward(self, batch: Batch) -> Tensor:
        x = start = self.nodes(batch).relu()
        states, gate = [x], self.gate(batch)
        for index, layer in enumerate(self.layers):
            x = layer(self.dropout(x), start, batch, gate(index, x))
            states.append(x)
        return self.head([*states[:-1], self.dropout(x)], batch)
