"""Pruning of a trained model at once, and training of what is left."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from gnnlab.pruning.base import Pruning
from gnnlab.pruning.masks import Masks, Number
from gnnlab.pruning.prunable import Also
from gnnlab.trainer import distributed
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


class OneShot(Pruning):
    """After the last phase, one more: "pruned" goes on from its best weights, without those that `choose` leaves out.

    It has the last phase's data, losses and learning rates from the start (Renda et al., ICLR 2020), for `epochs`
    epochs or, by default, as many.
    """

    def __init__(self, keep: float, epochs: int | None = None, also: tuple[Also, ...] = ()) -> None:
        super().__init__(keep, also)
        self.epochs = epochs
        self.learnt: dict[str, Number] = {}

    @abstractmethod
    def choose(self, model: nn.Module, weights: list[Tensor], count: int, splits: Splits) -> list[Tensor]:
        """Masks of the `count` weights that stay; of several processes, those of rank 0 are taken."""

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        if self.keep == 1:
            return phases
        last, masks = phases[-1], Masks()

        def cut(model: nn.Module) -> None:
            weights, data = self.weights(model), last.splits(splits)
            masks.set(weights, self.choose(model, list(weights.values()), self.num_kept(model), data))
            distributed.share(masks.kept.values())
            masks.apply(model)

        pruned = replace(last, name="pruned", epochs=self.epochs or last.epochs, on_start=None)
        return [*phases, masks.hold(pruned.also(on_start=cut, state={"masks": masks, **self.learnt}))]
