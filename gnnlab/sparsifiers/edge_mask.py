"""A mask that is trained on every edge of one graph, as a gate, and the loader of the edges it leaves."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.gate import Gate, full
from gnnlab.packed import Packed
from gnnlab.trainer.protocols import SplitLoader
from gnnlab.trainer.splits import Changing

NOISE = 1e-5
"""Masks that nothing trains move alike: by this they differ, so that chance and not their place decides which go."""


def ones(shape: torch.Size, device: torch.device) -> nn.Parameter:
    """A new mask, near 1."""
    return nn.Parameter((1 + NOISE * (2 * torch.rand(shape) - 1)).to(device))


class EdgeMask(nn.Module):
    """A gate on the E edges of one graph, the same in every layer, on top of the `policy` there was.

    `kept` [E]: which edges are left. While there is a `mask` [E], an edge weighs max(mask, 0), and 0 if it is not kept.
    A batch without the edges that are gone (`left`) passes as it is.
    """

    kept: Tensor

    def __init__(self, num_edges: int, policy: nn.Module | None) -> None:
        super().__init__()
        self.policy = policy
        self.register_buffer("kept", torch.ones(num_edges, dtype=torch.bool))
        self.register_parameter("mask", None)

    def start(self) -> None:
        """A new mask."""
        self.mask = ones(self.kept.shape, self.kept.device)

    def stop(self) -> None:
        """No mask from here on."""
        self.mask = None

    def left(self, loader: SplitLoader) -> Changing:
        """A loader of the graph with those edges that are kept at the time it is asked."""

        def without(graphs: Packed, kept: Tensor) -> Packed:
            return graphs.keep_edges(kept) if graphs.num_edges == len(kept) else graphs

        return Changing(loader, lambda graphs: self.kept.to("cpu", copy=True), without)

    def forward(self, batch: Batch) -> Gate:
        before: Gate = full if self.policy is None else self.policy(batch)
        if self.mask is None or batch.num_edges != len(self.kept):
            return before
        own = torch.where(self.kept, self.mask, 0.0).relu()

        def gate(layer: int, x: Tensor) -> Tensor:
            weight = before(layer, x)
            return own.to(x.dtype) if weight is None else own.to(x.dtype) * weight

        return gate
