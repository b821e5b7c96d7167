"""GraNet: Liu et al., "Sparse Training via Boosting Pruning Plasticity with Neuroregeneration", NeurIPS 2021."""

from collections.abc import Sequence

from torch import Tensor, nn

from gnnlab.pruning.gradual import Gradual
from gnnlab.pruning.masks import Masks, Number
from gnnlab.pruning.prunable import Also
from gnnlab.pruning.ramps import cosine
from gnnlab.pruning.rules import Rule
from gnnlab.pruning.scores import highest
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


def exchange(weight: Tensor, mask: Tensor, gradient: Tensor, share: float) -> Tensor:
    """The mask with ⌊share · kept⌋ of the kept weights, the smallest, given for as many of the others.

    Those with the largest gradients come (of what was masked before; fewer where there are fewer).
    """
    kept, gone = int(mask.sum()), int((~mask).sum())
    moved = min(int(share * kept), gone)
    stays = highest([weight.abs().masked_fill(~mask, -1.0)], kept - moved)[0]
    comes = highest([gradient.abs().masked_fill(mask, -1.0)], moved)[0]
    return stays | comes


class GraNet(Gradual):
    """GraNet (Liu et al. 2021): gradual pruning in which, after each cut, weights that matter are let in again.

    In every layer, a share of the weights that are left is dropped by magnitude and as many that are not there grow, at
    0, by the magnitude of their gradients. The share falls from `regrow` to a hundredth of it along a cosine.
    """

    def __init__(
        self,
        keep: float,
        rule: Rule = "global",
        begin: float = 0.1,
        end: float = 0.7,
        every: int = 1,
        regrow: float = 0.5,
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
