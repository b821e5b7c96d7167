"""Magnitude pruning: a weight that is small is not needed (Han et al., NeurIPS 2015)."""

from collections.abc import Sequence

from torch import Tensor, nn

from gnnlab.bounds import Count, Share
from gnnlab.pruning.one_shot import OneShot
from gnnlab.pruning.prunable import Also
from gnnlab.pruning.rules import Rule, check, choose
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


class Magnitude(OneShot):
    """One-shot magnitude pruning (Han et al. 2015) of the trained model, by a `rule`, and training of what is left.

    global: the smallest of all layers go. uniform, uniform_plus, erk: a share of each layer, see
    `gnnlab.pruning.allocation`. lamp: the lowest LAMP scores go.
    """

    def __init__(
        self, keep: Share, rule: Rule = "global", epochs: Count | None = None, also: tuple[Also, ...] = ()
    ) -> None:
        super().__init__(keep, epochs, also)
        self.rule: Rule = rule

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        check(self.rule, self.weights(model).values(), self.num_kept(model))
        return super().phases(phases, model, splits)

    def choose(self, model: nn.Module, weights: list[Tensor], count: int, splits: Splits) -> list[Tensor]:
        return choose(self.rule, weights, count)
