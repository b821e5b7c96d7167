"""GPS: Rampášek et al., "Recipe for a General, Powerful, Scalable Graph Transformer", NeurIPS 2022.

A layer runs a local conv and a global mixer side by side on the same input and adds them:
x_M = BN(x + Drop(conv(x, e))),  x_T = BN(x + Drop(mixer(x))),  y = x_M + x_T,
x' = BN(y + Drop(W₂ Drop(act(W₁ y)))) with W₁ : d → 2d. Either branch may be absent. `norm`
is BN in the paper.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.errors import UsageError
from gnnlab.nn.activation import Activation
from gnnlab.nn.block import ConvBlock
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.embedding import NodeEmbedding, edge_embedding
from gnnlab.nn.head import Head
from gnnlab.nn.mlp import MLP
from gnnlab.nn.norm import Norm, make_norm
from gnnlab.nn.stack import Stack
from gnnlab.ops import Around
from gnnlab.spec import GraphSpec


class GPS(Stack):
    """A stack of GPS layers between embeddings and a head.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_weight",)

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        conv: Callable[[int], Conv] | None,
        mixer: Callable[[int], nn.Module] | None,
        head: Callable[..., Head],
        hidden_dim: Count = 64,
        num_layers: Natural = 10,
        dropout: Probability = 0.0,
        act: Activation = "relu",
        norm: Norm = "batch",
    ) -> None:
        if conv is None and mixer is None:
            raise UsageError(
                "model/conv=none and model/mixer=none leave a layer nothing to do: choose model/conv=gine, or "
                "model/mixer=attention."
            )
        nodes = NodeEmbedding(spec, hidden_dim, encodings)
        layers = [
            GPSLayer(hidden_dim, conv and conv(hidden_dim), mixer and mixer(hidden_dim), dropout, act, norm)
            for _ in range(num_layers)
        ]
        edges = edge_embedding(spec.edge, hidden_dim, layers)
        super().__init__(nodes, edges, layers, head(dim=hidden_dim, depth=num_layers, spec=spec))

    @property
    def weighs_edges(self) -> bool:
        return any(layer.conv is not None for layer in self.layers)


class GPSLayer(nn.Module):
    """x [N, d], e [E, d] to the next x and e: conv ∥ mixer, then a feed-forward block.

    A conv that updates edges brings its own norm, activation and residual (`ConvBlock`), as GraphGPS's
    GatedGCN does; the layer's norm follows all the same.
    """

    def __init__(
        self,
        dim: int,
        conv: Conv | None,
        mixer: nn.Module | None,
        dropout: float,
        act: Activation,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.uses_edges = conv is not None and conv.uses_edges
        self.residual_inside = conv is not None and conv.updates_edges
        self.conv, self.mixer = conv, mixer
        if conv is not None:
            self.conv_norm = make_norm(norm, dim)
        if conv is not None and self.residual_inside:
            self.conv = ConvBlock(conv, dim, dropout, act, dropout_before_residual=True, norm=norm)
        if mixer is not None:
            self.mixer_norm = make_norm(norm, dim)
        self.feed_forward = MLP(dim, 2 * dim, dim, act=act, dropout=dropout)
        self.norm = make_norm(norm, dim)
        self.around = Around(first=dropout)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        y, rows = None, batch.real.num_nodes
        if self.conv is not None:
            local, e = self.conv(x, e, batch, edge_weight)
            before, around = (None, Around()) if self.residual_inside else (x, self.around)
            y = self.conv_norm(local, before, around=around, rows=rows)
        if self.mixer is not None:
            y = self.mixer_norm(self.mixer(x, batch), x, after=y, around=self.around, rows=rows)
        return self.norm(self.feed_forward(y), y, around=self.around, rows=rows), e
