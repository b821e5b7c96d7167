"""Plain message-passing stacks: Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.activation import Activation
from gnnlab.nn.block import ConvBlock
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.embedding import NodeEmbedding, edge_embedding
from gnnlab.nn.head import Head
from gnnlab.nn.norm import Norm
from gnnlab.nn.stack import Stack
from gnnlab.nn.virtual_node import Virtual, make_virtual_node
from gnnlab.spec import Feature, GraphSpec


class MPNN(Stack):
    """A plain stack (Dwivedi et al. 2023): identical blocks conv → norm → activation [→ residual] → dropout.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. Encodings are mapped to `hidden_dim` and
    added to the node features. `edge_features=False` gives every edge the same learned state, the benchmark's setting
    without bond types. `virtual_node`: see `gnnlab.nn.virtual_node`. `input_dropout` acts on continuous node features.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight",)

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        conv: Callable[[int], Conv],
        head: Callable[..., Head],
        hidden_dim: Count = 70,
        num_layers: Natural = 4,
        dropout: Probability = 0.0,
        act: Activation = "relu",
        edge_features: bool = True,
        virtual_node: Virtual = "none",
        norm: Norm = "batch",
        residual: bool = True,
        input_dropout: Probability = 0.0,
    ) -> None:
        nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add", dropout=input_dropout)
        convs = [conv(hidden_dim) for _ in range(num_layers)]
        layers = [ConvBlock(layer, hidden_dim, dropout, act, norm=norm, residual=residual) for layer in convs]
        feature = spec.edge if edge_features else Feature()
        edges = edge_embedding(feature, hidden_dim, convs, bias=True)
        virtual = make_virtual_node(virtual_node, hidden_dim, num_layers, dropout)
        super().__init__(nodes, edges, layers, head(dim=hidden_dim, depth=num_layers, spec=spec), virtual)
