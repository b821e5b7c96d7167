"""The check of a split against its `GraphSpec`, once, before it is cached: no wrong value reaches a model."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

BLOCK = 1 << 16
"""Rows looked at together: values may lie in a file that is larger than memory."""


def check_split(split: str, packed: Packed, spec: GraphSpec, numbers: Tensor | None = None) -> None:
    """Raises `UsageError` with data set, split and graph, by the `numbers` it is known by, where a value does not fit.

    `numbers` [G]: by default 0, 1, 2, … within the split.
    """
    where = f"{spec.name}, split {split}"
    if not num_examples(packed):
        raise UsageError(f"{where} is empty: every split needs something to train or to be evaluated on.")
    numbers = torch.arange(packed.num_graphs) if numbers is None else numbers
    nodes = Rows(where, packed.ptr, numbers, "node")
    edges = Rows(where, packed.edge_ptr, numbers)
    nodes.check_feature("x", packed.node.get("x"), spec.node)
    edges.check_feature("edge_attr", packed.edge.get("edge_attr"), spec.edge)
    if spec.level == "node":
        nodes.check_targets(packed.node.get("y"), spec)
    elif spec.level == "edge" and packed.pair:
        Rows(where, packed.pair["ptr"], numbers).check_targets(packed.pair["edge_label"], spec, "edge_label")
    elif spec.level == "edge":
        edges.check_targets(packed.edge.get("y"), spec)
    else:
        Rows(where, torch.arange(packed.num_graphs + 1), numbers).check_targets(packed.graph.get("y"), spec)


def num_examples(packed: Packed) -> int:
    """The graphs of a split, or where a mask says which nodes have targets, those."""
    mask = packed.node.get("mask")
    return packed.num_graphs if mask is None else int(mask.sum())


@dataclass(frozen=True)
class Rows:
    """Rows of an attribute, those of graph g being `ptr[g]:ptr[g+1]`; `each`: of what, to be named too."""

    where: str
    ptr: Tensor
    numbers: Tensor
    each: str = ""

    def check_feature(self, name: str, value: Tensor | None, feature: Feature) -> None:
        if feature.kind == "categorical":
            value = self._shaped(name, value, torch.int64, (len(feature.sizes),))
            sizes = torch.tensor(feature.sizes)
            problem = f"{name} has a category outside 0 … size−1 of {feature.sizes}"
            self._require(value, lambda x: (x >= 0) & (x < sizes), problem)
        elif feature.kind == "continuous":
            value = self._shaped(name, value, torch.float32, feature.sizes)
            self._require(value, torch.isfinite, f"{name} is NaN or infinite")

    def check_targets(self, y: Tensor | None, spec: GraphSpec, name: str = "y") -> None:
        if spec.target in ("multiclass", "sequence"):
            y = self._shaped(name, y, torch.int64, (spec.length,) if spec.target == "sequence" else ())
            problem = f"{name} has a class outside 0 … {spec.num_targets - 1}"
            self._require(y, lambda y: (y >= 0) & (y < spec.num_targets), problem)
            return
        y = self._shaped(name, y, torch.float32, (spec.num_targets,))
        if spec.target == "regression":
            self._require(y, torch.isfinite, f"{name} is NaN or infinite")
        else:
            unlabelled = spec.target == "multilabel"
            self._require(y, lambda y: (y == 0) | (y == 1) | (y.isnan() & unlabelled), f"{name} is neither 0 nor 1")
            if unlabelled and y.isnan().all():
                raise UsageError(f"{self.where}: no {name} is known, and there is nothing to learn or to be tested on.")

    def _shaped(self, name: str, value: Tensor | None, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
        if value is None or value.dtype != dtype or value.shape[1:] != shape:
            found = "missing" if value is None else f"{value.dtype} of shape {['rows', *value.shape[1:]]}"
            raise UsageError(f"{self.where}: {name} is {found}, must be {dtype} of shape {['rows', *shape]}.")
        return value

    def _require(self, value: Tensor, good: Callable[[Tensor], Tensor], problem: str) -> None:
        for first in range(0, len(value), BLOCK):
            fine = good(value[first : first + BLOCK])
            if not fine.all():
                row = first + (~fine).nonzero()[0, 0]
                graph = int(torch.searchsorted(self.ptr, row, right=True)) - 1
                which = f", {self.each} {row - self.ptr[graph]}" if self.each else ""
                raise UsageError(f"{self.where}, graph {self.numbers[graph]}{which}: {problem}.")
