"""A learnt mask on edges: Chen et al., "A Unified Lottery Ticket Hypothesis for Graph Neural Networks", ICML 2021."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gnnlab.aggregation.base import Aggregation
from gnnlab.aggregation.homophily import edge_homophily
from gnnlab.batch import Batch
from gnnlab.bounds import NonNegative
from gnnlab.errors import UsageError
from gnnlab.nn.gate import Gate
from gnnlab.packed import Packed
from gnnlab.ragged import edge_key
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


class Learnt(Aggregation):
    """A learnt mask (Chen et al. 2021, UGS): every edge of the one graph has a weight, the same in all layers.

    `mask` [E] in the order of the graph's edges, 1 at first and trained with the model; an edge weighs max(mask, 0).
    `l1` times the sum of |mask| is added to the loss. A graph with fewer edges (a sparsifier's) is known by their ends;
    one with others is refused.
    """

    needs: ClassVar[tuple[str, ...]] = ("edge_weight", "one_graph", "whole_graphs")
    undecayed: ClassVar[tuple[str, ...]] = ("mask",)

    key: Tensor

    def __init__(self, graphs: Packed, l1: NonNegative = 1e-6) -> None:
        super().__init__()
        self.l1 = l1
        self.mask = nn.Parameter(torch.ones(graphs.num_edges))
        source, target = graphs.edge_index
        self.register_buffer("key", edge_key(source, target, graphs.num_nodes), persistent=False)

    def forward(self, batch: Batch) -> Gate:
        weight = self.mask.index_select(0, self.number(batch)).relu()
        return lambda layer, x: weight.to(x.dtype)

    def number(self, batch: Batch) -> Tensor:
        """[E'] the place in `mask` of each of the batch's edges."""
        if batch.num_edges == len(self.mask):
            return torch.arange(len(self.mask), device=self.mask.device)
        source, target = batch.edge_index
        key = edge_key(source, target, batch.num_nodes)
        place = torch.searchsorted(self.key, key).clamp(max=max(len(self.key) - 1, 0))
        if len(key) > len(self.key) or not torch.equal(self.key[place], key):
            raise UsageError("aggregation=learnt has met edges that the graph it was made for does not have.")
        return place

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        def price(model: nn.Module, out: Tensor, batch: Batch) -> Tensor:
            return self.l1 * self.mask.abs().sum()

        return [phase.also(objective=price) for phase in phases]

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        batch = splits["test"].packed.batch().to(self.mask.device)
        weight = self.mask.detach()[self.number(batch)].relu()
        return {
            "edges_kept": float((weight > 0).float().mean()) if len(weight) else 1.0,
            "edge_weight_mean": float(weight.mean()) if len(weight) else 1.0,
            "edge_weight_std": float(weight.std(correction=0)) if len(weight) else 0.0,
            "homophily": edge_homophily(batch),
            "homophily_weighted": edge_homophily(batch, weight),
        }
