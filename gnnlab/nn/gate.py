"""How much of each edge a layer listens to, from an aggregation policy (`gnnlab.aggregation`) if the model has one."""

from collections.abc import Callable

from torch import Tensor, nn

from gnnlab.batch import Batch

Gate = Callable[[int, Tensor], Tensor | None]
"""(the layer's number, the states x [N, d] it is about to read) → the weights of its edges [E]; None: all of them 1."""


class Gated(nn.Module):
    """A model that asks before every layer."""

    layers: nn.ModuleList

    def __init__(self) -> None:
        super().__init__()
        self.aggregation: nn.Module | None = None

    @property
    def weighs_edges(self) -> bool:
        """Whether any of its layers heeds the answer."""
        return len(self.layers) > 0

    def gate(self, batch: Batch) -> Gate:
        """The weights of the layers' edges for this batch."""
        return full if self.aggregation is None else self.aggregation(batch)


def full(layer: int, x: Tensor) -> None:
    """All of every edge."""
