"""A mini-batch: many graphs as one disconnected graph, with PyG's attribute names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from gnnlab.ragged import edge_key

T = TypeVar("T")


class Edges(NamedTuple):
    """The edges in both orders, as the kernels take them: see `Batch`."""

    rowptr: Tensor
    source: Tensor
    target: Tensor
    colptr: Tensor
    transpose: Tensor
    out_target: Tensor


class Real(NamedTuple):
    """How many rows of a padded batch are real, the first ones: int64 [1] each. None: all of them."""

    num_nodes: Tensor | None = None
    num_edges: Tensor | None = None
    num_graphs: Tensor | None = None


@dataclass
class Batch:
    """B graphs with N nodes and E edges in all, edges sorted by destination.

    `edge_index` [2, E]: row 0 source, row 1 destination. `ptr` [B+1]: first node of each graph;
    `batch` [N]: the graph of each node. `rowptr` [N+1]: the edges into node i are
    `rowptr[i]:rowptr[i+1]`. `transpose` [E]: the edges in order of their source, those out of node i
    being `transpose[colptr[i]:colptr[i+1]]` and leading to `out_target[colptr[i]:colptr[i+1]]`.
    `max_nodes`: nodes of the largest graph. `edges`: all of these, one tensor each.
    `node`, `edge`, `graph`: named attributes with N, E and B rows. `real`: what is not padding, see
    `gnnlab.padding`; whatever mixes the rows of several graphs must heed it. `pair`: nothing, or P labelled
    pairs of nodes, graph after graph, `edge_label_index` [2, P] and `edge_label` [P, …]. `stays`: it will be asked for
    again, and keeps the copies that `to` makes.
    """

    edge_index: Tensor
    ptr: Tensor
    batch: Tensor
    rowptr: Tensor
    colptr: Tensor
    transpose: Tensor
    out_target: Tensor
    max_nodes: int
    node: dict[str, Tensor] = field(default_factory=dict)
    edge: dict[str, Tensor] = field(default_factory=dict)
    graph: dict[str, Tensor] = field(default_factory=dict)
    real: Real = field(default_factory=Real)
    pair: dict[str, Tensor] = field(default_factory=dict)
    stays: bool = False

    @classmethod
    def from_edges(cls, edge_index: Tensor, num_nodes: int) -> tuple["Batch", Tensor]:
        """One graph of edges [2, E] in any order, without attributes, and the order [E] in which it has them."""
        order = edge_key(edge_index[0], edge_index[1], num_nodes).argsort(stable=True)
        edge_index = edge_index[:, order]
        source, target = edge_index
        transpose = source.argsort(stable=True)
        numbers = torch.arange(num_nodes + 1, device=edge_index.device)
        rowptr, colptr = torch.searchsorted(target, numbers), torch.searchsorted(source[transpose], numbers)
        ptr, batch = numbers[:: max(num_nodes, 1)], torch.zeros_like(numbers[:-1])
        return cls(edge_index, ptr, batch, rowptr, colptr, transpose, target[transpose], num_nodes), order

    @classmethod
    def without_edges(cls, ptr: Tensor, max_nodes: int) -> "Batch":
        """The graphs of `ptr` [B+1], of which the largest has `max_nodes`, with nothing but their nodes."""
        batch = torch.repeat_interleave(torch.arange(len(ptr) - 1, device=ptr.device), ptr.diff())
        none, zeros = ptr.new_empty(0), ptr.new_zeros(len(batch) + 1)
        return cls(none.view(2, 0), ptr, batch, zeros, zeros, none, none, max_nodes)

    def __post_init__(self) -> None:
        source, target = self.edge_index.unbind(0)
        self.edges = Edges(self.rowptr, source, target, self.colptr, self.transpose, self.out_target)
        self._shared: dict[str, Any] = {}
        self._copies: dict[torch.device, Batch] = {}
        self.makers: dict[str, Callable[[Batch], Any]] = {}

    def once(self, name: str, compute: Callable[["Batch"], T]) -> T:
        """`compute(self)` at the first call with this name: what follows from the batch alone, as its degrees do."""
        if name not in self._shared:
            with torch.inference_mode(False):  # or training could not use what an evaluation left
                self._shared[name] = compute(self)
            self.makers[name] = compute
        return self._shared[name]

    def places_of(self, tensor: Tensor) -> list[str]:
        """Where a tensor of its own is found, as expressions of `batch` (and `makers`); none for any other."""
        return [place for place, own in self._places() if own is tensor]

    def _places(self) -> Iterator[tuple[str, Tensor | None]]:
        yield from ((f"batch.{name}", getattr(self, name)) for name in ("ptr", "batch", "edge_index"))
        for group in (self.edges, self.real):
            yield from ((f"batch.{type(group).__name__.lower()}.{name}", own) for name, own in group._asdict().items())
        for kind in ("node", "edge", "graph"):
            yield from ((f"batch.{kind}[{name!r}]", own) for name, own in getattr(self, kind).items())
        for name, value in self._shared.items():
            once = f"batch.once({name!r}, makers[{name!r}])"
            yield from (
                ((f"{once}[{i}]", own) for i, own in enumerate(value)) if isinstance(value, tuple) else ((once, value),)
            )

    @property
    def x(self) -> Tensor | None:
        """Node features: [N, columns] integers or [N, dim] floats; None where the data has none."""
        return self.node.get("x")

    @property
    def edge_attr(self) -> Tensor | None:
        """Edge features: [E, columns] integers or [E, dim] floats; None where the data has none."""
        return self.edge.get("edge_attr")

    @property
    def y(self) -> Tensor:
        """Targets: [B, T] floats or [B] classes at graph level, [N, …] at node level, [P, …] at edge level."""
        if self.pair:
            return self.pair["edge_label"]
        return next(of["y"] for of in (self.graph, self.node, self.edge) if "y" in of)

    @property
    def edge_label_index(self) -> Tensor:
        """[2, P] the pairs of nodes that the targets of an edge-level task belong to: listed ones, else the edges."""
        return self.pair["edge_label_index"] if self.pair else self.edge_index

    @property
    def mask(self) -> Tensor | None:
        """[N] the nodes whose targets count: those of the split where it is a part of one graph. None: all."""
        return self.node.get("mask")

    @property
    def place(self) -> Tensor:
        """[N] how many nodes of its graph come before each."""
        return torch.arange(self.num_nodes, device=self.ptr.device) - self.ptr[self.batch]

    @property
    def num_nodes(self) -> int:
        return self.batch.shape[0]

    @property
    def num_graphs(self) -> int:
        return self.ptr.shape[0] - 1

    @property
    def num_edges(self) -> int:
        return self.edge_index.shape[1]

    @property
    def is_padded(self) -> bool:
        return self.real.num_nodes is not None

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on `device`: itself, where it is there; one that `stays` is copied there once."""
        device = torch.device(device)
        if self.ptr.device == device:
            return self
        copy = self._copies.get(device) or self.map(lambda value: value.to(device, non_blocking=True))
        if self.stays:
            self._copies[device] = copy
        return copy

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch of `function(tensor)` for every tensor of this one, called in the order of the fields."""

        def mapped(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, dict):
                return {name: mapped(item) for name, item in value.items()}
            if isinstance(value, Real):
                return Real(*map(mapped, value))
            return value

        return Batch(**{f.name: mapped(getattr(self, f.name)) for f in fields(self)})
