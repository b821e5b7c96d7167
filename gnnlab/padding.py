"""Padding: batches brought up to a few sizes by dummy graphs that change nothing for the others.

Shapes then repeat, as a CUDA graph asks of them. The dummies come last. Their features are zeros, their edges
self-loops, so what works within graphs keeps them to themselves; what mixes the rows of several graphs
(batch norm, the loss) counts only those that `Batch.real` names.
"""

from collections.abc import Iterable
from inspect import signature
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gnnlab.batch import Batch, Real
from gnnlab.errors import UsageError


class Size(NamedTuple):
    """Nodes, edges and graphs of a batch, and the nodes of its largest graph."""

    nodes: int
    edges: int
    graphs: int
    longest: int

    @classmethod
    def of(cls, batch: Batch) -> "Size":
        return cls(batch.num_nodes, batch.num_edges, batch.num_graphs, batch.max_nodes)

    def has_room(self, batch: "Size", degree: int) -> bool:
        """Whether dummies fill the rest, none longer than `longest`, no node of more than `degree` edges."""
        nodes, edges, graphs = self.nodes - batch.nodes, self.edges - batch.edges, self.graphs - batch.graphs
        fits = min(nodes, edges, graphs, self.longest - batch.longest) >= 0
        return fits and nodes <= graphs * self.longest and edges <= nodes * degree


class Padding:
    """At most `count` sizes that hold all of `batches`, and what pads a batch up to the first with room for it.

    The batches, sorted by their nodes, are cut into equal parts with a size for each. The largest has a margin
    for batches not seen here; one that is larger still stays as it is, and so does a graph alone. Sizes leave a
    dummy node the edges that a node has on average (rounded up: `degree`), and batches that would leave it more than
    twice as many are not let in: with each layer, sums over many self-loops would take its states further from those
    of the others.
    """

    def __init__(self, batches: Iterable[Batch], count: int) -> None:
        found = sorted(Size.of(_unpaired(batch)) for batch in batches if batch.num_nodes)
        self.longest = max((size.longest for size in found), default=1)
        nodes, edges = sum(size.nodes for size in found), sum(size.edges for size in found)
        self.degree = max(1, ceil(edges / max(1, nodes)))
        cuts = [len(found) * part // count for part in range(count + 1)]
        parts = [found[first:last] for first, last in pairwise(cuts) if first < last]
        if parts:
            parts[-1].append(_beyond(found))
        self.sizes = tuple(dict.fromkeys(map(self._cover, parts)))

    def __call__(self, batch: Batch) -> Batch:
        size = Size.of(batch)
        if min(size.nodes, size.edges, size.graphs) < 2:
            return batch  # a norm over so few real rows, and dummies, has no variance
        return next((pad(batch, larger) for larger in self.sizes if larger.has_room(size, 2 * self.degree)), batch)

    def _cover(self, part: list[Size]) -> Size:
        """The smallest size with room for all of `part`, and for a dummy graph more than they need."""
        edges = max(size.edges for size in part)
        nodes = max(size.nodes + ceil((edges - size.edges) / self.degree) for size in part)
        graphs = max(size.graphs + ceil((nodes - size.nodes) / self.longest) + 1 for size in part)
        return Size(nodes, edges, graphs, self.longest)


def _unpaired(batch: Batch) -> Batch:
    if batch.pair:
        raise UsageError(
            "trainer.pad pads nodes, edges and graphs, and the targets of this dataset are of listed pairs of nodes: "
            "train without trainer.pad."
        )
    return batch


def _beyond(found: list[Size]) -> Size:
    """A batch that is larger than the largest, by a quarter of what lies between that and the median."""
    columns = [sorted(column) for column in zip(*found, strict=True)]
    return Size(*(column[-1] + (column[-1] - column[len(column) // 2]) // 4 for column in columns))


def pad(batch: Batch, size: Size) -> Batch:
    """`batch` with dummy graphs, equal in nodes and edges as nearly as can be, up to `size`."""
    assert size.has_room(Size.of(batch), degree=size.edges), f"{size} has no room for {Size.of(batch)}"
    nodes, edges, graphs = size.nodes - batch.num_nodes, size.edges - batch.num_edges, size.graphs - batch.num_graphs

    def numbers(first: int, last: int) -> Tensor:
        return torch.arange(first, last, device=batch.ptr.device)

    def append(value: Tensor, rows: Tensor) -> Tensor:
        return torch.cat([value, rows.to(value.dtype)], -1)

    def zeros(values: dict[str, Tensor], rows: int) -> dict[str, Tensor]:
        return {name: torch.cat([value, value.new_zeros(rows, *value.shape[1:])]) for name, value in values.items()}

    ends = numbers(1, graphs + 1) * nodes // max(1, graphs)
    owner = torch.searchsorted(ends, numbers(0, nodes), right=True)
    loops = batch.num_nodes + numbers(0, edges) * nodes // max(1, edges)
    after = batch.num_edges + (numbers(1, nodes + 1) * edges + nodes - 1) // max(1, nodes)
    return Batch(
        append(batch.edge_index, loops.expand(2, -1)),
        append(batch.ptr, batch.num_nodes + ends),
        append(batch.batch, batch.num_graphs + owner),
        append(batch.rowptr, after),
        append(batch.colptr, after),
        append(batch.transpose, numbers(batch.num_edges, size.edges)),
        append(batch.out_target, loops),
        size.longest,
        zeros(batch.node, nodes),
        zeros(batch.edge, edges),
        zeros(batch.graph, graphs),
        Real(*(numbers(rows, rows + 1) for rows in (batch.num_nodes, batch.num_edges, batch.num_graphs))),
    )


def dummy(batch: Batch) -> Batch:
    """A dummy graph of one node and one edge with the attributes of `batch`, which is empty."""
    return pad(batch, Size(1, 1, 1, 1))


def check_model(model: nn.Module) -> None:
    """Raise `UsageError` where a norm in `model` cannot be told how many rows are real."""
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and "rows" not in signature(module.forward).parameters:
            raise UsageError(
                f"trainer.pad: the model's {name} is a {type(module).__name__} that counts dummy rows in; take "
                "gnnlab.ops.batchnorm.BatchNorm and hand it rows=batch.real.num_nodes, or train without trainer.pad."
            )
