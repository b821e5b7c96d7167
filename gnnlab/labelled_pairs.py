"""Labelled pairs of nodes: what a store of graphs (`gnnlab.packed`) and a batch know of them, in dictionaries.

Those of graph g are the columns `ptr[g]:ptr[g+1]` of `edge_label_index` [2, P], with labels `edge_label` [P, …]. In a
store, nodes are numbered within each graph, in a batch through all of it. Without pairs, the dictionary is empty.
"""

import torch
from torch import Tensor

from gnnlab.errors import UsageError
from gnnlab.ragged import pointers, ranges, repeat, rows

Pairs = dict[str, Tensor]


def pack(counts: Tensor, index: Tensor, label: Tensor, num_nodes: Tensor) -> Pairs:
    """The pairs `index` [2, P] of a store, `counts` [G] for each graph; `UsageError` where they do not fit it."""
    ptr = pointers(counts.long())
    if not len(counts) == len(num_nodes) or not int(ptr[-1]) == index.shape[1] == len(label):
        raise UsageError(
            f"{index.shape[1]} labelled pairs, {len(label)} labels, and counts for {len(counts)} graphs that add up to "
            f"{int(ptr[-1])} do not go together: a label for each pair, a count for each of {len(num_nodes)} graphs."
        )
    nodes = repeat(num_nodes, ptr.diff())
    outside = ((index < 0) | (index >= nodes)).any(0)
    if outside.any():
        first = outside.nonzero()[0, 0]
        bad = int(torch.searchsorted(ptr, first, right=True)) - 1
        raise UsageError(f"Graph {bad} has a labelled pair with a node it does not have ({int(nodes[first])} nodes).")
    return {"ptr": ptr, "edge_label_index": index.long(), "edge_label": label}


def take(pairs: Pairs, index: Tensor) -> Pairs:
    """The pairs of the graphs `index` [g] of a store, as a store of these has them."""
    if not pairs:
        return {}
    first = pairs["ptr"][index]
    chosen, ptr = ranges(first, pairs["ptr"][index + 1] - first)
    nodes = torch.stack([rows(row, chosen) for row in pairs["edge_label_index"]])
    return {"ptr": ptr, "edge_label_index": nodes, "edge_label": rows(pairs["edge_label"], chosen)}


def batch(pairs: Pairs, first: int, last: int, ptr: Tensor) -> Pairs:
    """The pairs of graphs first … last−1 of a store, as their batch has them; `ptr`: its pointers to nodes."""
    if not pairs:
        return {}
    own = pairs["ptr"][first : last + 1]
    chosen = slice(int(own[0]), int(own[-1]))
    index = pairs["edge_label_index"][:, chosen] + repeat(ptr[:-1], own.diff())
    return {"edge_label_index": index, "edge_label": pairs["edge_label"][chosen]}
