"""Packed graphs: a whole split in a few flat tensors, so that a batch is a handful of slices.

Nodes are numbered through the whole store, graph after graph. Edges are sorted by (destination,
source), so each graph's edges lie together and `rowptr` delimits the edges into each node;
`transpose` lists the same edges by source. Taking graphs and slicing batches are tensor operations
without a Python loop over graphs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gnnlab import labelled_pairs
from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.ragged import edge_key, pointers, ranges, repeat, rows
from gnnlab.spec import Level

if TYPE_CHECKING:
    from torch_geometric.data import Data


@dataclass
class Packed:
    """G graphs with N nodes and E edges in all.

    `ptr` [G+1], `edge_ptr` [G+1]: first node and first edge of each graph. `edge_index` [2, E] in
    store-wide node numbers. `rowptr`, `colptr` [N+1], `transpose` and `out_target` [E]: see `Batch`.
    `node`, `edge`, `graph`: attributes with N, E and G rows. `pair`: nothing, or P labelled pairs of nodes, those of
    graph g being `ptr[g]:ptr[g+1]` of `edge_label_index` [2, P], in node numbers of its own, and `edge_label` [P, …].
    """

    ptr: Tensor
    edge_ptr: Tensor
    edge_index: Tensor
    rowptr: Tensor
    colptr: Tensor
    transpose: Tensor
    out_target: Tensor
    node: dict[str, Tensor] = field(default_factory=dict)
    edge: dict[str, Tensor] = field(default_factory=dict)
    graph: dict[str, Tensor] = field(default_factory=dict)
    pair: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def from_tensors(
        cls,
        num_nodes: Tensor,
        num_edges: Tensor,
        edge_index: Tensor,
        node: dict[str, Tensor] | None = None,
        edge: dict[str, Tensor] | None = None,
        graph: dict[str, Tensor] | None = None,
    ) -> "Packed":
        """Pack concatenated graphs whose `edge_index` [2, E] counts nodes from 0 within each graph.

        `num_nodes` [G] and `num_edges` [G] delimit the graphs; edges may come in any order.
        Raises `UsageError` if an edge names a node its graph does not have, or an attribute has too
        few or too many rows.
        """
        node, edge, graph = dict(node or {}), dict(edge or {}), dict(graph or {})
        ptr, edge_ptr = pointers(num_nodes.long()), pointers(num_edges.long())
        total, num_graphs = int(ptr[-1]), len(num_nodes)
        for kind, count, attributes in (
            ("node", total, node),
            ("edge", int(edge_ptr[-1]), edge),
            ("graph", num_graphs, graph),
        ):
            for name, value in attributes.items():
                if len(value) != count:
                    raise UsageError(f"The {kind} attribute {name!r} has {len(value)} rows for {count} {kind}s.")
        owner = repeat(torch.arange(num_graphs), edge_ptr.diff())
        outside = ((edge_index < 0) | (edge_index >= num_nodes[owner])).any(0)
        if outside.any():
            bad = int(owner[outside][0])
            raise UsageError(f"Graph {bad} has an edge to a node it does not have ({int(num_nodes[bad])} nodes).")
        edge_index = edge_index.long() + ptr[owner]
        key = edge_key(edge_index[0], edge_index[1], total)
        if (key[1:] < key[:-1]).any():
            order = torch.argsort(key, stable=True)
            edge_index = edge_index[:, order]
            edge = {name: value[order] for name, value in edge.items()}
        source, target = edge_index
        transpose = torch.argsort(source, stable=True)
        return cls(
            ptr,
            edge_ptr,
            edge_index,
            rowptr=pointers(torch.bincount(target, minlength=total)),
            colptr=pointers(torch.bincount(source, minlength=total)),
            transpose=transpose,
            out_target=target[transpose],
            node=node,
            edge=edge,
            graph=graph,
        )

    @classmethod
    def from_graphs(cls, graphs: Sequence["Data"], level: Level = "graph") -> "Packed":
        """Pack PyG `Data` objects, with a target `y` for each graph or, if `level` says so, for each node or edge.

        Labelled pairs of nodes are `edge_label_index` [2, p] and `edge_label` [p, …], PyG's names.
        Any other tensor is a node attribute if it has a row per node in every graph, an edge attribute if
        it has a row per edge (at once if its name begins with `edge`), else a graph attribute of one row.
        Raises `UsageError` if the graphs do not all carry the same attributes, or one is none of these.
        """
        columns = [
            {key: value for key, value in data.to_dict().items() if isinstance(value, Tensor)} for data in graphs
        ]
        none = torch.empty(2, 0, dtype=torch.long)
        edge_index = [column.pop("edge_index", none) for column in columns]
        asked = [column.pop("edge_label_index", none) for column in columns]
        labels = [column.pop("edge_label") for column in columns if "edge_label" in column]
        counts = {
            "node": [int(data.num_nodes or 0) for data in graphs],
            "edge": [index.shape[1] for index in edge_index],
            "graph": [1] * len(columns),
        }
        found: dict[str, dict[str, Tensor]] = {kind: {} for kind in counts}
        for key in dict.fromkeys(key for column in columns for key in column):
            has = [key in column for column in columns]
            if not all(has):
                raise UsageError(f"Graph {has.index(False)} has no {key!r}, which graph {has.index(True)} has.")
            values = [torch.atleast_1d(column[key]) for column in columns]
            found[_kind(key, [len(value) for value in values], counts, level)][key] = torch.cat(values)
        packed = cls.from_tensors(
            torch.tensor(counts["node"], dtype=torch.long),
            torch.tensor(counts["edge"], dtype=torch.long),
            torch.cat([none, *edge_index], dim=1),
            **found,
        )
        if not labels:
            return packed
        return packed.with_pairs(torch.tensor([one.shape[1] for one in asked]), torch.cat(asked, 1), torch.cat(labels))

    @property
    def num_graphs(self) -> int:
        return self.ptr.shape[0] - 1

    @property
    def num_nodes(self) -> int:
        return self.rowptr.shape[0] - 1

    @property
    def num_edges(self) -> int:
        return self.edge_index.shape[1]

    @property
    def graph_of_node(self) -> Tensor:
        """[N] the graph that each node belongs to."""
        return repeat(torch.arange(self.num_graphs), self.ptr.diff())

    @property
    def graph_of_edge(self) -> Tensor:
        """[E] the graph that each edge belongs to."""
        return repeat(torch.arange(self.num_graphs), self.edge_ptr.diff())

    def with_node(self, **attributes: Tensor) -> "Packed":
        """The same graphs with further node attributes."""
        return replace(self, node={**self.node, **attributes})

    def with_pairs(self, counts: Tensor, index: Tensor, label: Tensor) -> "Packed":
        """The same graphs with labelled pairs: `counts` [G] of them, `index` [2, P] from 0 within each graph.

        Raises `UsageError` where labels are missing, or a pair names a node that its graph does not have.
        """
        return replace(self, pair=labelled_pairs.pack(counts, index, label, self.ptr.diff()))

    def take(self, index: Tensor) -> "Packed":
        """The graphs `index` [g], in that order, as a store of their own."""
        first, first_edge = self.ptr[index], self.edge_ptr[index]
        counts, edge_counts = self.ptr[index + 1] - first, self.edge_ptr[index + 1] - first_edge
        nodes, ptr = ranges(first, counts)
        edges, edge_ptr = ranges(first_edge, edge_counts)
        node_shift = repeat(ptr[:-1] - first, edge_counts)
        row_shift = repeat(edge_ptr[:-1] - first_edge, counts)
        return Packed(
            ptr,
            edge_ptr,
            torch.stack([rows(row, edges) + node_shift for row in self.edge_index]),
            rowptr=torch.cat([rows(self.rowptr, nodes) + row_shift, edge_ptr[-1:]]),
            colptr=torch.cat([rows(self.colptr, nodes) + row_shift, edge_ptr[-1:]]),
            transpose=rows(self.transpose, edges) + torch.arange(len(edges)) - edges,
            out_target=rows(self.out_target, edges) + node_shift,
            node={name: rows(value, nodes) for name, value in self.node.items()},
            edge={name: rows(value, edges) for name, value in self.edge.items()},
            graph={name: rows(value, index) for name, value in self.graph.items()},
            pair=labelled_pairs.take(self.pair, index),
        )

    def keep_edges(self, kept: Tensor) -> "Packed":
        """The same graphs with the edges where `kept` [E] and no others; targets of edges stay, as labelled pairs."""
        if kept.all():
            return self
        if "y" in self.edge:
            return self.with_edges_as_pairs().keep_edges(kept)
        number, ptr = kept.nonzero()[:, 0], pointers(kept.long())
        leaving = kept[self.transpose]
        return replace(
            self,
            edge_ptr=ptr[self.edge_ptr],
            edge_index=self.edge_index[:, number],
            rowptr=ptr[self.rowptr],
            colptr=pointers(leaving.long())[self.colptr],
            transpose=ptr[self.transpose[leaving]],
            out_target=self.out_target[leaving],
            edge={name: rows(value, number) for name, value in self.edge.items()},
        )

    def with_edges_as_pairs(self) -> "Packed":
        """The same graphs, their targets of edges being those of labelled pairs."""
        counts, edge = self.edge_ptr.diff(), {name: value for name, value in self.edge.items() if name != "y"}
        local = self.edge_index - repeat(self.ptr[:-1], counts)
        return replace(self, edge=edge).with_pairs(counts, local, self.edge["y"])

    def batch(self, first: int = 0, last: int | None = None) -> Batch:
        """Graphs first … last−1 (all by default) as one batch.

        Slices, and one subtraction per pointer; none where the batch begins with the store, so that
        the batch of a single large graph copies nothing. Batches share memory with the store.
        """
        last = self.num_graphs if last is None else last
        ptr, counts = self.ptr[first : last + 1], self.ptr[first : last + 1].diff()
        n0, n1 = int(ptr[0]), int(ptr[-1])
        e0, e1 = int(self.edge_ptr[first]), int(self.edge_ptr[last])

        def local(value: Tensor, offset: int) -> Tensor:
            return value - offset if offset else value

        return Batch(
            local(self.edge_index[:, e0:e1], n0),
            local(ptr, n0),
            repeat(torch.arange(last - first), counts),
            local(self.rowptr[n0 : n1 + 1], e0),
            local(self.colptr[n0 : n1 + 1], e0),
            local(self.transpose[e0:e1], e0),
            local(self.out_target[e0:e1], n0),
            max_nodes=int(counts.max()) if last > first else 0,
            node={name: value[n0:n1] for name, value in self.node.items()},
            edge={name: value[e0:e1] for name, value in self.edge.items()},
            graph={name: value[first:last] for name, value in self.graph.items()},
            pair=labelled_pairs.batch(self.pair, first, last, ptr - n0),
        )


def _kind(key: str, rows: list[int], counts: dict[str, list[int]], level: Level) -> str:
    """What an attribute belongs to, by its `rows` in each graph."""
    kinds = (
        (level,) if key == "y" else ("edge", "node", "graph") if key.startswith("edge") else ("node", "edge", "graph")
    )
    for kind in kinds:
        if counts[kind] == rows:
            return kind
    asked = f", as level={level!r} asks" if key == "y" else ""
    raise UsageError(f"The attribute {key!r} does not have one row for each {' or each '.join(kinds)}{asked}.")
