"""One node, one receptive field: what the snowflakes share (Wang et al., KDD 2024)."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gnnlab.aggregation.base import Aggregation
from gnnlab.aggregation.homophily import edge_homophily
from gnnlab.aggregation.snowflake_figure import End, draw
from gnnlab.batch import Batch
from gnnlab.nn.gate import Gate
from gnnlab.trainer.method import Splits


class NodeDepth(Aggregation):
    """Every node has a depth, 1 … `layers`: up to that layer it listens to its neighbours, then to itself alone."""

    static_shapes: ClassVar[bool] = False  # that all edges are kept is read from the values
    end: End = "destination"

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = layers

    @abstractmethod
    def depth(self, model: nn.Module, batch: Batch) -> Tensor:
        """[N] of the nodes of a batch, in the trained `model`, which is in evaluation mode."""

    @torch.no_grad()
    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        """The depths of the test split's graphs, the edges that are heard layer by layer, and their homophily."""
        model.eval()
        batch = splits["test"].packed.batch().to(next(model.parameters()).device)
        depth, batch = self.depth(model, batch).cpu(), batch.to("cpu")
        found = statistics(batch, depth, self.layers, self.end)
        draw(batch, depth, found, folder / "receptive_fields.png", self.end)
        return found


def listen(batch: Batch, depth: Tensor, end: End = "destination") -> Gate:
    """Layer ℓ hears the edges at whose `end` is a node of depth above ℓ, and all self-loops: weights of 1 or 0."""
    source, target = batch.edge_index
    last = depth.index_select(0, target if end == "destination" else source)
    last = torch.where(source == target, torch.iinfo(last.dtype).max, last)

    def gate(layer: int, x: Tensor) -> Tensor | None:
        heard = last > layer
        return None if heard.all() else heard.to(x.dtype)

    return gate


def statistics(batch: Batch, depth: Tensor, layers: int, end: End = "destination") -> dict[str, Any]:
    """How many nodes there are of each depth; per layer the share of the edges that are heard, and their homophily.

    Isolated nodes, whose depth says nothing, and self-loops, which are always heard, are not counted.
    """
    source, target = batch.edge_index
    last, between = depth[target if end == "destination" else source], source != target
    listens = torch.zeros(batch.num_nodes, dtype=torch.bool).index_fill(0, target[between], True)
    total = max(1, int(between.sum()))
    heard = [(last > layer) & between for layer in range(layers)]
    shares = [int(kept.sum()) / total for kept in heard]
    return {
        "depth_mean": float(depth[listens].double().mean()) if listens.any() else 0.0,
        "depth_histogram": torch.bincount(depth[listens], minlength=layers + 1)[1:].tolist(),
        "edges_kept": sum(shares) / layers,
        "edges_kept_per_layer": shares,
        "homophily": edge_homophily(batch),
        "homophily_per_layer": [edge_homophily(batch, kept) for kept in heard],
    }
