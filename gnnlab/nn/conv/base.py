"""What every local layer is: messages along edges, x, e to x', e'."""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch


class Conv(nn.Module):
    """One local message-passing layer of width `dim`, without norm, activation or residual around it.

    A constructor takes `dim` and its own settings, and `spec` (`gnnlab.spec.GraphSpec`) where it asks for it.
    `uses_edges`: reads edge states e [E, dim]. `updates_edges`: returns new ones; other convs return e
    as it came.
    """

    uses_edges: ClassVar[bool] = False
    updates_edges: ClassVar[bool] = False

    @abstractmethod
    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """x [N, dim], e [E, dim] or None, edge_weight [E] scales what an edge carries (0: as if removed)."""
