"""The shape that most models share: embeddings, layers one after the other, a head."""

from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.embedding import FeatureEmbedding, NodeEmbedding
from gnnlab.nn.gate import Gate, Gated, full
from gnnlab.nn.head import Head
from gnnlab.ops.recorded.one_node import model_as_one_node, one_node

SMALL = 1 << 18
"""Numbers in the states of a batch which a whole model is one node for: a recording keeps all that it computes."""


class Stack(Gated):
    """`Batch` to a row of `spec.out_dim` for each graph, node or labelled pair.

    Every layer maps x [N, d] and e, which is [E, d] or None, to the next x and e.
    `edges` is None where no layer reads edge states. The layers of a model that gives "edge_weight" take weights [E]
    of the edges as a conv does. A `virtual_node` takes the layers through the batch in its own way.
    """

    has_nodes_within: ClassVar[bool] = True

    def __init__(
        self,
        nodes: NodeEmbedding,
        edges: FeatureEmbedding | None,
        layers: Iterable[nn.Module],
        head: Head,
        virtual_node: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.nodes = nodes
        self.dim = nodes.dim
        self.edges = edges
        self.layers = Chain(layers)
        self.head = head
        self.virtual_node = virtual_node

    def forward(self, batch: Batch) -> Tensor:
        if self.aggregation is None and self.virtual_node is None and batch.num_nodes * self.dim <= SMALL:
            return model_as_one_node(self, self.run, batch)
        return self.run(batch)

    def run(self, batch: Batch) -> Tensor:
        """The same, each part by itself."""
        x = self.nodes(batch)
        e = self.edges(batch.edge_attr, batch.edge_index.shape[1]) if self.edges is not None else None
        gate = self.gate(batch)
        if self.virtual_node is not None:
            return self.head(self.virtual_node(self.layers, x, e, batch, gate), batch)
        if self.is_chain and gate is full and x.numel() <= SMALL:
            return self.head([one_node(self.layers, x, e, batch)[0]], batch)
        return self.head(in_turn(self.layers, x, e, batch, gate), batch)

    @property
    def is_chain(self) -> bool:
        """Whether nothing but an aggregation policy or a virtual node looks between the layers."""
        return isinstance(self.layers, Chain) and not getattr(self.head, "reads_between", True)


class Chain(nn.ModuleList):
    """Layers one after the other, themselves a layer: one node of autograd's graph where nobody looks between them."""

    has_nodes_within: ClassVar[bool] = True

    def forward(self, x: Tensor, e: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None]:
        for layer in self:
            x, e = one_node(layer, x, e, batch)
        return x, e


def in_turn(layers: Iterable[nn.Module], x: Tensor, e: Tensor | None, batch: Batch, gate: Gate) -> list[Tensor]:
    """The states [N, d] after 0, 1, … of the layers."""
    states = [x]
    for index, layer in enumerate(layers):
        x, e = one_node(layer, x, e, batch, gate(index, x))
        states.append(x)
    return states
