"""What the values of a folder of your own graphs are taken for: targets, splits, edges and kinds of features."""

import logging
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from gnnlab.datasets.base import SPLITS
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.ragged import edge_key
from gnnlab.spec import Feature

log = logging.getLogger(__name__)

Target = Literal["regression", "binary", "multiclass", "multilabel"]
CATEGORIES = 100_000
"""The most categories of a feature, and classes: each costs parameters."""


def likely_target(y: Tensor) -> Target:
    """What targets [rows, columns] are, by their values."""
    if ((y == 0) | (y == 1) | y.isnan()).all():
        return "multilabel" if y.shape[1] > 1 or y.isnan().any() else "binary"
    classes = y.shape[1] == 1 and whole(y) and y.min() >= 0 and y.max() < CATEGORIES
    return "multiclass" if classes else "regression"


def whole(y: Tensor) -> bool:
    return bool((y % 1 == 0).all())


def typed(y: Tensor, target: Target | None) -> Tensor:
    """The targets [rows, columns] in the form that `target` has."""
    likely, one = likely_target(y), {"binary": "0 or 1", "multiclass": "a whole number"}
    if target is None:
        others = ", ".join(target for target in get_args(Target) if target != likely)
        raise UsageError(f"dataset.target is not set. Its y look like dataset.target={likely}; or one of {others}.")
    if target in one and (y.shape[1] > 1 or not whole(y)):
        raise UsageError(f"dataset.target={target} wants one y, {one[target]}; they look like {likely}.")
    return class_numbers(y[:, 0].long()) if target == "multiclass" else y.float()


def class_numbers(y: Tensor) -> Tensor:
    """The same classes [rows], with a notice of those that never occur."""
    if (last := int(y.max())) >= CATEGORIES:
        raise UsageError(f"y has a class {last}: number the classes 0, 1, 2, …; at most {CATEGORIES:,} of them.")
    if never := (torch.bincount(y.clamp(min=0)) == 0).nonzero()[:, 0].tolist():
        named = ", ".join(map(str, never[:10])) + (", …" if len(never) > 10 else "")
        log.warning("No y is of class %s, of the classes 0 … %d that they number: leave no gaps.", named, last)
    return y


def divided(graphs: Packed, seed: int) -> dict[str, Packed]:
    """The splits by the attribute `split` of nodes or of graphs; drawn, where there is none."""
    of_graphs, of_nodes = graphs.graph.pop("split", None), graphs.node.pop("split", None)
    if of_graphs is None and of_nodes is None:
        rows = graphs.num_graphs if graphs.num_graphs > 1 else graphs.num_nodes
        rank = torch.from_numpy(np.random.default_rng(seed).permutation(rows))
        split = (rank >= min(rows * 8 // 10, rows - 2)).long() + (rank >= min(rows * 9 // 10, rows - 1)).long()
        of_graphs, of_nodes = (split, None) if graphs.num_graphs > 1 else (None, split)
    if of_graphs is not None:
        return {name: graphs.take((of_graphs == number).nonzero()[:, 0]) for number, name in enumerate(SPLITS)}
    return {name: graphs.with_node(mask=of_nodes == number) for number, name in enumerate(SPLITS)}


def both_ways(graphs: Packed) -> Packed:
    """Every edge once in each direction, the reverse with the features of the edge where it has none of its own."""
    source, target = torch.cat([graphs.edge_index, graphs.edge_index.flip(0)], dim=1)
    first = torch.from_numpy(np.unique(edge_key(source, target, graphs.num_nodes).numpy(), return_index=True)[1])
    source, target = source[first], target[first]
    owner = graphs.graph_of_node[source]
    return Packed.from_tensors(
        graphs.ptr.diff(),
        torch.bincount(owner, minlength=graphs.num_graphs),
        torch.stack([source, target]) - graphs.ptr[owner],
        graphs.node,
        {name: torch.cat([value, value])[first] for name, value in graphs.edge.items()},
        graphs.graph,
    )


def feature(name: str, values: Tensor | None) -> Feature:
    """The kind and sizes of an attribute [rows, columns]; none where it is missing."""
    if values is None:
        return Feature()
    if values.is_floating_point():
        return Feature.continuous(values.shape[1])
    sizes = [int(column.max()) + 1 for column in values.T] if len(values) else [1] * values.shape[1]
    if (size := max(sizes)) > CATEGORIES:
        raise UsageError(
            f"{name}, column {sizes.index(size) + 1} of {len(sizes)}, has the category {size - 1}: number them from 0, "
            f"{CATEGORIES:,} at most. A decimal point makes {name} real; an identifier is not a feature."
        )
    return Feature.categorical(*sizes)
