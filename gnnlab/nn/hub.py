"""A virtual node that is one more node of the graph, joined to all others by edges of its own, to it and from it.

Cai et al., "On the Connection Between MPNN and Graph Transformer", ICML 2023, on the Long Range Graph Benchmark. Only
the layers see it: features, encodings, read-out and loss are those of the nodes that are in the data.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch, Real
from gnnlab.nn.gate import Gate
from gnnlab.nn.order import inverse
from gnnlab.ops.recorded.one_node import one_node


class Hub(nn.Module):
    """Its initial state and those of its edges, one each way, are learnt; with `alone` there are no other edges.

    Any two nodes of a graph are then at most two steps apart. Gates weigh only the edges of the data.
    """

    def __init__(self, dim: int, alone: bool = False) -> None:
        super().__init__()
        self.alone = alone
        self.start = nn.Parameter(torch.zeros(dim))
        self.edges = nn.Parameter(torch.randn(2, dim))

    def forward(
        self, layers: Iterable[nn.Module], x: Tensor, e: Tensor | None, batch: Batch, gate: Gate
    ) -> list[Tensor]:
        """The states [N, d] of the nodes after 0, 1, … of the `layers`."""
        joined = batch.once(f"hub, {self.alone}", lambda batch: Joined.of(batch, self.alone))
        states = [x]
        x = torch.cat([x, self.start.to(x.dtype).expand(batch.num_graphs, -1)])[joined.row]
        if e is not None:
            e = torch.cat([e, self.edges.to(e.dtype)])[joined.edge]
        for index, layer in enumerate(layers):
            weight = gate(index, states[-1])
            if weight is not None:
                weight = torch.cat([weight, weight.new_ones(2)])[joined.edge]
            x, e = one_node(layer, x, e, joined.batch, weight)
            states.append(x.index_select(0, joined.place))
        return states


class Joined(NamedTuple):
    """A batch whose graphs have one more node each, their last: N + B nodes and E + 2 N edges (`alone`: 2 N).

    `place` [N]: where the nodes are in it. `row` [N + B]: the number of a node, or N + that of a graph. `edge`: the
    number of an edge; E from nodes to hubs, and E + 1 back.
    """

    batch: Batch
    place: Tensor
    row: Tensor
    edge: Tensor

    @classmethod
    def of(cls, batch: Batch, alone: bool) -> "Joined":
        device, owner, nodes = batch.ptr.device, batch.batch, batch.num_nodes
        edges = 0 if alone else batch.num_edges
        ptr = batch.ptr + torch.arange(batch.num_graphs + 1, device=device)
        place, hub = torch.arange(nodes, device=device) + owner, ptr[1:] - 1
        row = inverse(torch.cat([place, hub]))
        there = torch.stack([place, hub[owner]])
        index = torch.cat([place[batch.edge_index[:, :edges]], there, there.flip(0)], 1)
        kind = torch.arange(edges + 2 * nodes, device=device)
        kind = torch.where(kind < edges, kind, batch.num_edges + (kind >= edges + nodes))
        joined, order = Batch.from_edges(index, nodes + batch.num_graphs)
        real, size = batch.real, batch.max_nodes + 1
        if real.num_nodes is not None and real.num_edges is not None and real.num_graphs is not None:
            own = real.num_edges * (not alone)
            real = Real(real.num_nodes + real.num_graphs, own + 2 * real.num_nodes, real.num_graphs)
        graphs = torch.cat([owner, torch.arange(batch.num_graphs, device=device)])[row]
        return cls(replace(joined, ptr=ptr, batch=graphs, max_nodes=size, real=real), place, row, kind[order])
