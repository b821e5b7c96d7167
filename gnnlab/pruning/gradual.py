"""Gradual pruning while training: Zhu & Gupta, "To prune, or not to prune", 2017."""

from collections.abc import Sequence

from torch import nn

from gnnlab.bounds import Count, Fraction, Share
from gnnlab.errors import UsageError
from gnnlab.pruning.base import Pruning
from gnnlab.pruning.masks import Masks
from gnnlab.pruning.prunable import Also
from gnnlab.pruning.ramps import cubic
from gnnlab.pruning.rules import Rule, check, choose, num_kept
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


class Gradual(Pruning):
    """Gradual magnitude pruning (Zhu & Gupta 2017): ever more of the weights within the last phase.

    From the share `begin` of its epochs on, every `every` epochs, masks are chosen anew by `rule` and a cubic schedule;
    at the share `end`, `keep` of the weights are left, and masks stay as they are.
    Best weights are those of the epochs from there on.
    """

    def __init__(
        self,
        keep: Share,
        rule: Rule = "global",
        begin: Fraction = 0.1,
        end: Fraction = 0.7,
        every: Count = 1,
        also: tuple[Also, ...] = (),
    ) -> None:
        super().__init__(keep, also)
        if begin >= end:
            raise UsageError(f"pruning.begin={begin} must lie before pruning.end={end}: both are shares of the epochs.")
        self.rule: Rule = rule
        self.begin, self.end, self.every = begin, end, every

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        if self.keep == 1:
            return phases
        check(self.rule, self.weights(model).values(), self.num_kept(model))
        masks, last = Masks(), phases[-1]
        first, final = self.epochs(last)

        def prune(model: nn.Module, epoch: int) -> dict[str, float]:
            cut = final if epoch >= final else epoch - (epoch - first) % self.every
            share = cubic((cut - first) / (final - first), self.keep)
            if first <= epoch == cut:
                weights = self.weights(model)
                total = sum(weight.numel() for weight in weights.values())
                masks.set(weights, choose(self.rule, list(weights.values()), num_kept(total, share)))
                masks.apply(model)
            return {"weights_kept": share}

        gradual = last.also(on_epoch_end=prune, state={"masks": masks}, choose_from=max(final, last.choose_from))
        return [*phases[:-1], masks.hold(gradual)]

    def epochs(self, phase: Phase) -> tuple[int, int]:
        """The epochs that the schedule begins and ends with. Raises `UsageError` where they are one."""
        first, final = int(self.begin * phase.epochs), int(self.end * phase.epochs)
        if first == final:
            raise UsageError(f"{phase.epochs} epochs are too few to prune in: raise trainer.max_epochs.")
        return first, final
