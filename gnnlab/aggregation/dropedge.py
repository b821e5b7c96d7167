"""DropEdge: Rong et al., "DropEdge: Towards Deep Graph Convolutional Networks on Node Classification", ICLR 2020."""

import torch
from torch import Tensor

from gnnlab.aggregation.base import Aggregation
from gnnlab.batch import Batch
from gnnlab.bounds import Fraction
from gnnlab.nn.gate import Gate, full


class DropEdge(Aggregation):
    """DropEdge (Rong et al. 2020): in training, every edge is removed with probability `rate`.

    Once for all layers, or with `per_layer` afresh for each: layer by layer is the paper's variant. The release removes
    an exact number. What is kept is not scaled up; the two directions of an edge are two edges.
    """

    def __init__(self, rate: Fraction = 0.2, per_layer: bool = False) -> None:
        super().__init__()
        self.rate, self.per_layer = rate, per_layer

    def forward(self, batch: Batch) -> Gate:
        if not self.training or not self.rate:
            return full
        kept = None if self.per_layer else self.draw(batch)

        def gate(layer: int, x: Tensor) -> Tensor:
            return (self.draw(batch) if kept is None else kept).to(x.dtype)

        return gate

    def draw(self, batch: Batch) -> Tensor:
        """[E] bool: the edges that stay."""
        return torch.rand(batch.num_edges, device=batch.ptr.device) >= self.rate
