"""Plain message-passing stacks: Dwivedi et al., "Benchmarking Graph Neural Networks", JMLR 2023."""

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.encodings.base import Encoding
from gnnlab.nn.activation import Activation
from gnnlab.nn.block import ConvBlock
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.embedding import FeatureEmbedding, NodeEmbedding
from gnnlab.nn.head import Head
from gnnlab.nn.stack import Stack
from gnnlab.nn.virtual_node import VirtualNode
from gnnlab.ops.tape import one_node
from gnnlab.spec import Feature, GraphSpec


class MPNN(Stack):
    """A plain stack (Dwivedi et al. 2023): identical blocks conv → BatchNorm → activation → residual → dropout.

    `Batch` to [B or N, spec.out_dim]. Encodings are mapped to `hidden_dim` and added to the node features.
    `edge_features=False` gives every edge the same learned state, the benchmark's setting without bond types. With a
    `virtual_node`, every graph has a state of its own that its nodes read before each block and are summed (or
    averaged) into after it.
    """

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        conv: Callable[[int], Conv],
        head: Callable[..., Head],
        hidden_dim: int = 70,
        num_layers: int = 4,
        dropout: float = 0.0,
        act: Activation = "relu",
        edge_features: bool = True,
        virtual_node: Literal["none", "sum", "mean"] = "none",
    ) -> None:
        nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add")
        convs = [conv(hidden_dim) for _ in range(num_layers)]
        layers = [ConvBlock(layer, hidden_dim, dropout, act) for layer in convs]
        feature = spec.edge if edge_features else Feature()
        uses_edges = any(layer.uses_edges for layer in convs)
        edges = FeatureEmbedding(feature, hidden_dim, bias=True) if uses_edges else None
        super().__init__(nodes, edges, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))
        has_one = virtual_node != "none"
        self.virtual_node = VirtualNode(hidden_dim, num_layers, virtual_node, dropout) if has_one else None

    def forward(self, batch: Batch) -> Tensor:
        if self.virtual_node is None:
            return super().forward(batch)
        x, u = self.nodes(batch), self.virtual_node(batch)
        e = self.edges(batch.edge_attr, batch.num_edges) if self.edges is not None else None
        states = [x]
        for layer, update in zip(self.layers, [*self.virtual_node.updates, None], strict=True):
            x, e = one_node(layer, x + u.index_select(0, batch.batch), e, batch)
            states.append(x)
            u = u if update is None else update(u, x, batch)
        return self.head(states, batch)
