"""What every aggregation policy is: a gate on every edge, layer by layer."""

from abc import abstractmethod
from typing import ClassVar

from torch import nn

from gnnlab.batch import Batch
from gnnlab.nn.gate import Gate
from gnnlab.trainer.method import Method


class Aggregation(nn.Module, Method):
    """Decides how much of each edge a node listens to. A part of the model: its weights are trained and kept with it.

    A constructor takes its own settings and, of `spec` (`gnnlab.spec.GraphSpec`), `graphs` (the training split,
    `gnnlab.packed.Packed`) and `depth` (the model's layers), those that it names. `needs` holds "edge_weight" always,
    and "one_graph" where a policy knows edges one by one.
    """

    needs: ClassVar[tuple[str, ...]] = ("edge_weight",)

    @abstractmethod
    def forward(self, batch: Batch) -> Gate:
        """What each layer is told, for this batch: see `gnnlab.nn.gate`."""
