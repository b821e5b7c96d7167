"""WD-GLT: Hui et al., "Rethinking Graph Lottery Tickets: Graph Sparsity Matters", ICLR 2023."""

from collections.abc import Sequence
from math import log
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gnnlab.batch import Batch
from gnnlab.bounds import Count, NonNegative, Share
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.pruning.prunable import Also
from gnnlab.sparsifiers.ugs import UGS
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


class WDGLT(UGS):
    """WD-GLT (Hui et al. 2023): UGS whose masks also move the predictions of each class away from those of the others.

    The loss of a round has − `distance` Σ_c W(predictions of class c, of the rest) besides, over all nodes, labelled or
    not, each in the class that is predicted for it; W is the Wasserstein distance by Sinkhorn's iterations. Edge masks
    are kept within 0 and 1. As in TEDDY's code, masks have no ℓ1 price by default, so that the optimizer's weight decay
    alone pulls them towards 0, and the paper's min-max over masks is not done.
    """

    name: ClassVar[str] = "sparsifier=wdglt"

    def __init__(
        self,
        keep: Share,
        graphs: Packed,
        keep_weights: Share = 1.0,
        rounds: Count = 5,
        epochs: Count | None = None,
        l1_edges: NonNegative = 0.0,
        l1_weights: NonNegative = 0.0,
        distance: NonNegative = 0.1,
        also: tuple[Also, ...] = (),
    ) -> None:
        super().__init__(keep, graphs, keep_weights, rounds, epochs, l1_edges, l1_weights, also)
        self.distance = distance

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        if splits["train"].packed.batch().y.is_floating_point():
            raise UsageError(f"{self.name} tells classes apart, and the targets of this dataset are not classes.")
        return super().phases(phases, model, splits)

    def price(self, model: nn.Module, out: Tensor, batch: Batch) -> Tensor:
        real = out if batch.real.num_nodes is None else out[: int(batch.real.num_nodes)]
        prediction = real.softmax(-1)
        return super().price(model, out, batch) - self.distance * between_classes(prediction, prediction.argmax(-1))

    @torch.no_grad()
    def bound(self, model: nn.Module, step: int) -> None:
        assert self.edges.mask is not None
        self.edges.mask.clamp_(0, 1)


def between_classes(prediction: Tensor, y: Tensor) -> Tensor:
    """Σ_c W(prediction of the rows with y = c, of the others), prediction [n, C], y [n]; unless that is all."""
    total = prediction.new_zeros(())
    for c in y.unique().tolist():
        mine = y == c
        if not mine.all():
            total = total + sinkhorn(prediction[mine], prediction[~mine])
    return total


def sinkhorn(a: Tensor, b: Tensor, eps: float = 1e-3) -> Tensor:
    """Cost of the transport of the points a [n, C], of equal weights, to b [m, C]: Σ P_ij ‖a_i − b_j‖.

    P solves the problem with entropy `eps`, after ten of Sinkhorn's iterations in the log domain (Cuturi, 2013), in
    float64. The backward pass repeats them one by one, and needs no n × m numbers of each.
    """

    def other(potential: Tensor, cost: Tensor) -> Tensor:
        """The potential of the rows of `cost` that balances that of its columns, were all rows of weight 1."""
        return -eps * ((potential - cost) / eps).logsumexp(1)

    cost = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
    f, g = cost.new_zeros(len(a)), cost.new_zeros(len(b))
    for _ in range(10):
        f = checkpoint(other, g, cost, use_reentrant=False) - eps * log(len(a))
        g = checkpoint(other, f, cost.t(), use_reentrant=False) - eps * log(len(b))
    return (((f[:, None] + g - cost) / eps).exp() * cost).sum().to(a.dtype)
