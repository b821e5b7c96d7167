"""Residual networks for heterophilous graphs: Platonov et al., "A Critical Look at the Evaluation of GNNs under
Heterophily: Are We Really Making Progress?", ICLR 2023.

x⁰ = act(Drop(W x)), and with z = conv(y), or z = [y ‖ conv(y)] where a node stays `separate` from its neighbours, a
layer is

    inside:  x ← x + Drop(W₂ act(Drop(W₁ z))),  y = LN(x),
    after:   x ← x + Drop(W₁ z),  y = LN(x),  and then  x ← x + Drop(W₂ act(Drop(W₃ LN(x)))).

In the end comes LN(x). Their GCN and GraphSAGE are `inside` with conv=gcn, sage without weights, the second
`separate`; the graph transformer is `after` with conv=transformer. With conv=gat, model.conv.self_loops=false and
`separate` it is near their GAT-sep, which maps the own half too.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.nn.activation import Activation, activation
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.embedding import NodeEmbedding, edge_embedding
from gnnlab.nn.head import Head
from gnnlab.nn.mlp import MLP
from gnnlab.nn.norm import Norm, make_norm
from gnnlab.nn.stack import Stack
from gnnlab.ops.linear import Linear
from gnnlab.spec import GraphSpec


class PreNorm(Stack):
    """Pre-norm residual network (Platonov et al. 2023): any conv with a perceptron inside or after its residual branch.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight",)

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        conv: Callable[[int], Conv],
        head: Callable[..., Head],
        hidden_dim: Count = 512,
        num_layers: Count = 5,
        dropout: Probability = 0.2,
        act: Activation = "gelu",
        norm: Norm = "layer",
        separate: bool = False,
        feed_forward: Literal["inside", "after"] = "inside",
    ) -> None:
        nodes = NodeEmbedding(spec, hidden_dim, encodings, merge="add")
        convs = [conv(hidden_dim) for _ in range(num_layers)]
        after = feed_forward == "after"
        layers = [PreNormLayer(layer, hidden_dim, dropout, act, norm, separate, after) for layer in convs]
        edges = edge_embedding(spec.edge, hidden_dim, convs)
        super().__init__(nodes, edges, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))
        self.add_module("nodes", nn.Sequential(nodes, Dropout(dropout), activation(act)))
        layers[-1].last_norm = make_norm(norm, hidden_dim)


class DropoutFirst(MLP):
    """An MLP with dropout before the activation; for ReLU that is the same."""

    def forward(self, x: Tensor) -> Tensor:
        if self.act is None:
            return super().forward(x)
        first, last = self.linears
        return last(self.act(self.dropout(first(x))))


class PreNormLayer(nn.Module):
    """x [N, d], e [E, d] to the next x and e."""

    def __init__(
        self, conv: Conv, dim: int, dropout: float, act: Activation, norm: Norm, separate: bool, after: bool
    ) -> None:
        super().__init__()
        self.conv, self.separate = conv, separate
        self.norm, self.dropout = make_norm(norm, dim), Dropout(dropout)
        widths = (2 * dim if separate else dim, dim)
        self.out = Linear(*widths) if after else DropoutFirst(*widths, dim, act=act, dropout=dropout)
        self.feed_forward = DropoutFirst(dim, dim, dim, act=act, dropout=dropout) if after else None
        self.feed_forward_norm = make_norm(norm, dim) if after else None
        self.last_norm: nn.Module | None = None

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        rows = batch.real.num_nodes
        y = self.norm(x, rows=rows)
        z, new_e = self.conv(y, e, batch, edge_weight)
        x = x + self.dropout(self.out(torch.cat([y, z], -1) if self.separate else z))
        if self.feed_forward is not None and self.feed_forward_norm is not None:
            x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x, rows=rows)))
        if e is not None and self.conv.updates_edges:
            e = e + new_e
        return x if self.last_norm is None else self.last_norm(x, rows=rows), e
