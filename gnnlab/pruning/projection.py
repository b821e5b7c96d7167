"""Projection of the weights onto an ℓ0 ball: all but the largest are set to 0, after every step."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from gnnlab.pruning.base import Pruning
from gnnlab.pruning.rules import highest, num_kept
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


@torch.no_grad()
def project(weights: Iterable[Tensor], keep: float) -> None:
    """Set to 0, in place, the ⌈(1 − keep) · P⌉ of all P weights of smallest magnitude, of equal ones the last."""
    weights = list(weights)
    if weights:
        masks = highest([weight.abs() for weight in weights], num_kept(sum(weight.numel() for weight in weights), keep))
        for weight, mask in zip(weights, masks, strict=True):
            weight.mul_(mask)


class L0(Pruning):
    """Projected gradient descent: after every step of the last phase, only the `keep` largest weights are left.

    As in TEDDY (Seo et al. 2024). No mask is kept: a weight that has been set to 0 comes back where its steps make it
    one of the largest. Averaged weights are projected too.
    """

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        if self.keep == 1:
            return phases

        def clear(model: nn.Module, *_: int) -> None:
            project(self.weights(model).values(), self.keep)

        return [*phases[:-1], phases[-1].also(on_step_end=clear, on_average=clear)]
