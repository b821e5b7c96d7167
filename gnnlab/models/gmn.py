"""GMN: Behrouz & Hashemi, "Graph Mamba: Towards Learning on Graphs with State Space Models", KDD 2024.

Not Graph-Mamba (Wang et al. 2024), which is model=graph_mamba.

A node v is read as a sequence of its neighbourhoods, far to near: for m̂ = m … 1 (m: `reach`) s tokens each (`tokens`),
and v itself in the end. A token is the set T of all nodes that M random walks (`walks`) of length m̂ from v visit; its
vector is the mean over T of the states that a bare conv, without norm or activation, gives on the induced subgraph.
With Φ [1 + m s, d] the sequence of v,

    x_v ← x_v + Mamba(LayerNorm(Φ))_last,

where "x_v +" is ours. Mamba goes both ways, but backwards the last row comes first: there, as in the paper, it has seen
v alone. GPS layers follow, whose mixer (`model.mixer`) scans the nodes of each graph by degree. With m = 0 there are
only these, on x_v as embedded.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.encodings.base import Encoding
from gnnlab.models.gps import GPS
from gnnlab.nn.activation import Activation
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.embedding import NodeEmbedding, edge_embedding
from gnnlab.nn.head import Head
from gnnlab.nn.mixer.mamba import Mamba, Sequences
from gnnlab.nn.walks import induced, walk
from gnnlab.ops import pool
from gnnlab.ops.random import fresh_seed
from gnnlab.spec import GraphSpec


class GMN(GPS):
    """Graph Mamba Network (Behrouz & Hashemi 2024): GPS on nodes encoded by scans over random-walk neighbourhoods.

    `Batch` to a row of `spec.out_dim` for each graph, node or labelled pair. `reach`: m, the longest walks. Walks are
    drawn anew at every step of training; in evaluation they are always those of `walk_seed`. `mixer` is that of the GPS
    layers; the scan over neighbourhoods has the defaults of `Mamba`.
    """

    gives: ClassVar[tuple[str, ...]] = ()  # the walks take no heed of weights

    def __init__(
        self,
        spec: GraphSpec,
        encodings: Sequence[Encoding],
        conv: Callable[[int], Conv],
        mixer: Callable[[int], nn.Module],
        head: Callable[..., Head],
        hidden_dim: Count = 64,
        num_layers: Natural = 4,
        reach: Natural = 2,
        tokens: Count = 4,
        walks: Count = 4,
        walk_seed: Natural = 0,
        dropout: Probability = 0.0,
        act: Activation = "relu",
    ) -> None:
        super().__init__(spec, encodings, conv, mixer, head, hidden_dim, num_layers, dropout, act)
        if reach:
            local = conv(hidden_dim)
            nodes = Neighbourhoods(self.nodes, spec, local, hidden_dim, reach, tokens, walks, walk_seed)
            self.add_module("nodes", nodes)  # `Stack` declares it as the embedding, which is now inside


class Neighbourhoods(nn.Module):
    """`Batch` to x [N, dim]: what `nodes` says of them, and a scan over their neighbourhoods."""

    breaks_ties: ClassVar[bool] = True
    static_shapes: ClassVar[bool] = False  # how many nodes are visited depends on the batch's values

    def __init__(
        self,
        nodes: NodeEmbedding,
        spec: GraphSpec,
        conv: Conv,
        dim: int,
        reach: int,
        tokens: int,
        walks: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.nodes, self.conv = nodes, conv
        self.edges = edge_embedding(spec.edge, dim, [conv])
        self.lengths = [length for length in range(reach, 0, -1) for _ in range(tokens)]
        self.walks, self.seed = walks, seed
        self.norm, self.scan = nn.LayerNorm(dim), Mamba(dim)

    def forward(self, batch: Batch) -> Tensor:
        x = self.nodes(batch)
        sequence = self.norm(torch.cat([self.encode(x, batch), x.unsqueeze(1)], 1))
        count = sequence.shape[1]
        forwards, backwards = self.scan.directions
        last = forwards(sequence.flatten(0, 1), alike(len(x), count, x.device))[count - 1 :: count]
        return x + (last + backwards(sequence[:, -1], alike(len(x), 1, x.device)))

    def encode(self, x: Tensor, batch: Batch) -> Tensor:
        """The vectors of all tokens: [N, T, d]."""
        subgraphs, node, edge = induced(batch, self.visited(batch))
        e = None if self.edges is None else self.edges(batch.edge_attr, batch.num_edges)[edge]
        states, _ = self.conv(x[node], e, subgraphs)
        return pool(states, subgraphs, "mean").view(len(x), len(self.lengths), -1)

    def visited(self, batch: Batch) -> Tensor:
        """The nodes on the walks of each token: [N, T, M · (m + 1)]; shorter walks stay where they end."""
        device = batch.ptr.device
        seed = fresh_seed(device) if self.training else torch.full((1,), self.seed, device=device)
        paths = walk(batch, len(self.lengths) * self.walks, max(self.lengths), seed)
        paths = paths.unflatten(1, (len(self.lengths), self.walks))
        step, length = torch.arange(paths.shape[-1], device=device), torch.tensor(self.lengths, device=device)
        last = torch.minimum(step, length.unsqueeze(-1))[:, None].expand(-1, self.walks, -1)
        return paths.gather(3, last.expand(len(paths), -1, -1, -1)).flatten(2)


def alike(count: int, length: int, device: torch.device) -> Sequences:
    """`count` sequences of `length` rows each, one after the other."""
    before = torch.arange(length, device=device).repeat(count)
    return Sequences(torch.arange(count + 1, device=device) * length, before, length - 1 - before)
