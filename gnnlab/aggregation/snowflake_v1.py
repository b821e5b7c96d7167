"""SnoH v1: Wang et al., "The Snowflake Hypothesis: Training and Powering GNN with One Node One Receptive Field",
KDD 2024.

While the backbone trains, the magnitudes of the loss's gradient by every edge's weight (1) are summed up, layer by
layer: g_i^(ℓ) = Σ_steps Σ_j |∂L/∂a_ij^(ℓ)|. A node's layers are then taken away from the outermost one inwards.
"""

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from gnnlab.aggregation.two_stage import TwoStage
from gnnlab.batch import Batch
from gnnlab.bounds import Count, NonNegative
from gnnlab.nn.gate import Gate, full
from gnnlab.packed import Packed


class SnowflakeV1(TwoStage):
    """The first snowflake, by gradients (Wang et al. 2024): a node stops where the loss heeds it no more.

    Layers go from the outermost inwards while their gradient is below `rho` times the node's greatest one. The paper
    prunes in rounds with training between them, whose schedule is not public; here it is done at once.
    """

    needs: ClassVar[tuple[str, ...]] = ("edge_weight", "one_graph", "whole_graphs")
    first_phase = "probe"
    gradient: Tensor

    def __init__(self, graphs: Packed, depth: int, rho: NonNegative = 0.1, stage1_epochs: Count | None = None) -> None:
        super().__init__(depth, stage1_epochs)
        self.rho = rho
        self.register_buffer("gradient", torch.zeros(depth, graphs.num_nodes))

    def explore(self, batch: Batch) -> Gate:
        if not (self.training and torch.is_grad_enabled()):
            return full

        def gate(layer: int, x: Tensor) -> Tensor:
            weight = x.new_ones(batch.num_edges, requires_grad=True)
            weight.register_hook(partial(self.note, layer, batch.edges.target))
            return weight

        return gate

    def note(self, layer: int, target: Tensor, gradient: Tensor) -> None:
        """Add a step's gradient [E] to that of the nodes that the edges lead to."""
        self.gradient[layer].index_add_(0, target, gradient.abs().to(self.gradient.dtype))

    def find(self, batch: Batch) -> Tensor:
        gradient = self.gradient.cpu()
        matters = gradient >= self.rho * gradient.amax(0)
        layers = torch.arange(1, self.layers + 1)[:, None]
        return (matters * layers).amax(0).clamp(min=1)
