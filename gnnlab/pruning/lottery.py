"""Lottery tickets: Frankle & Carbin, "The Lottery Ticket Hypothesis", ICLR 2019, with late rewinding (2020)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from gnnlab.bounds import Count, Natural, Share
from gnnlab.errors import UsageError
from gnnlab.pruning.base import Pruning
from gnnlab.pruning.masks import Masks
from gnnlab.pruning.prunable import Also
from gnnlab.pruning.rules import Rule, check, choose, num_kept
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase
from gnnlab.weights import Weights, initial, rewind


class Lottery(Pruning):
    """Lottery tickets (Frankle & Carbin 2019): train, prune by `rule`, rewind what is left, train again.

    Each of `rounds` leaves the same share of what is there, the last one `keep` of all. Weights go back to those
    after `rewind` epochs of the first training, which does not end before; 0: to the initial ones.
    """

    def __init__(
        self, keep: Share, rounds: Count = 5, rewind: Natural = 0, rule: Rule = "global", also: tuple[Also, ...] = ()
    ) -> None:
        super().__init__(keep, also)
        self.rounds, self.rewind = rounds, rewind
        self.rule: Rule = rule

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        if self.keep == 1:
            return phases
        if self.rewind >= phases[-1].epochs:
            raise UsageError(f"pruning.rewind={self.rewind} is not an epoch of {phases[-1].epochs}: lower it.")
        check(self.rule, self.weights(model).values(), self.num_kept(model))
        start, masks, last = Weights(initial(model)), Masks(), phases[-1]
        own = {"start": start, "masks": masks}

        def remember(model: nn.Module, epoch: int) -> None:
            if epoch == self.rewind - 1:
                start.values = initial(model)

        def rounds() -> list[Phase]:
            again = masks.hold(replace(last, on_start=None).also(state=own))
            return [again.also(name=f"ticket {i}").after(self.draw(i, start, masks)) for i in range(1, self.rounds + 1)]

        first = last.also(on_epoch_end=remember, state=own, choose_from=max(last.choose_from, self.rewind - 1))
        return [*phases[:-1], first, *rounds()]

    def draw(self, number: int, start: Weights, masks: Masks) -> Callable[[nn.Module], None]:
        """What round `number` begins with: masks by the trained weights, then the weights of the start."""

        def begin(model: nn.Module) -> None:
            weights = self.weights(model)
            total = sum(weight.numel() for weight in weights.values())
            count = num_kept(total, self.keep ** (number / self.rounds))
            masks.set(weights, choose(self.rule, list(weights.values()), count))
            rewind(model, start.values)
            masks.apply(model)

        return begin
