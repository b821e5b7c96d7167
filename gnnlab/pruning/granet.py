"""GraNet: Liu et al., "Sparse Training via Boosting Pruning Plasticity with Neuroregeneration", NeurIPS 2021."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gnnlab.bounds import Count, Fraction, Probability, Share
from gnnlab.pruning.gradual import Gradual
from gnnlab.pruning.masks import Masks, Number
from gnnlab.pruning.prunable import Also
from gnnlab.pruning.ramps import cosine
from gnnlab.pruning.rules import Rule, highest
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


def exchange(weight: Tensor, mask: Tensor, gradient: Tensor, share: float) -> Tensor:
    """The mask without ⌊share · kept⌋ of the kept weights, the smallest, and with as many of all that are then masked.

    Those with the largest gradients come, of equal ones (0 where a unit is dead) those with the largest weights.
    A weight just dropped may come back, and then keeps its value.
    """
    size = weight.abs().masked_fill(~mask, -1.0)
    kept = int(mask.sum())
    moved = int(share * kept)
    stays = highest([size], kept - moved)[0]
    order = size.flatten().argsort(descending=True, stable=True)
    comes = torch.zeros_like(order, dtype=torch.bool)
    comes[order] = highest([gradient.abs().masked_fill(stays, -1.0).flatten()[order]], moved)[0]
    return stays | comes.view_as(mask)


class GraNet(Gradual):
    """GraNet (Liu et al. 2021): gradual pruning in which, after each cut, weights that matter are let in again.

    In every layer a share of the kept weights is dropped by magnitude, and as many masked ones grow by the magnitude of
    their gradients, from 0 unless just dropped. The share falls from `regrow` along half a cosine; from `end` on
    nothing is exchanged, while the release goes on to the last epoch.
    """

    def __init__(
        self,
        keep: Share,
        rule: Rule = "global",
        begin: Fraction = 0.1,
        end: Fraction = 0.7,
        every: Count = 1,
        regrow: Probability = 0.5,
        also: tuple[Also, ...] = (),
    ) -> None:
        super().__init__(keep, rule, begin, end, every, also)
        self.regrow = regrow

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        """The exchange needs gradients: it comes with the first step after a cut; until then its share is `due`."""
        made = super().phases(phases, model, splits)
        if self.keep == 1:
            return made
        masks, due, (first, final) = made[-1].state["masks"], Number(0.0), self.epochs(phases[-1])
        assert isinstance(masks, Masks)

        def cut(model: nn.Module, epoch: int) -> None:
            if first <= epoch < final and (epoch - first) % self.every == 0:
                due.value = cosine((epoch - first) / (final - first), self.regrow, self.regrow / 100)

        def grow(model: nn.Module, step: int) -> None:
            if due.value:
                for name, weight in self.weights(model).items():
                    if weight.grad is not None:
                        masks.kept[name] = exchange(weight.detach(), masks.kept[name], weight.grad, due.value)
                masks.apply(model)
                due.value = 0.0

        return [*made[:-1], made[-1].also(on_epoch_end=cut, on_step_end=grow, state={"due": due})]
