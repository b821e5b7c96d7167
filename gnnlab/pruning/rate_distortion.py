"""Joint allocation by output distortion: Xu et al., "Efficient Joint Optimization of Layer-Adaptive Weight Pruning in
Deep Neural Networks", ICCV 2023.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Share
from gnnlab.pruning.allocation import least_distortion
from gnnlab.pruning.masks import Number
from gnnlab.pruning.one_shot import OneShot
from gnnlab.pruning.prunable import Also
from gnnlab.pruning.rules import highest, largest
from gnnlab.trainer import distributed
from gnnlab.trainer.method import Splits


class RateDistortion(OneShot):
    """Rate-distortion allocation (Xu et al. 2023): the shares of the layers that change the outputs least.

    δ_l(a), the mean squared change of the outputs for `batches` training batches when layer l alone is pruned to the
    share a of `levels`, is measured for all; the sum over the layers is minimised by dynamic programming. What rounding
    leaves of the budget goes to the largest weights. `additivity` in the result: joint distortion over that sum.
    The release measures 100 levels on 20 calibration batches, and prunes and retrains up to 20 times; here once.
    """

    def __init__(
        self,
        keep: Share,
        levels: Annotated[int, Ge(2)] = 20,
        batches: Count = 1,
        epochs: Count | None = None,
        also: tuple[Also, ...] = (),
    ) -> None:
        super().__init__(keep, epochs, also)
        self.levels, self.batches = levels, batches
        self.learnt["additivity"] = Number(1.0)

    @torch.no_grad()
    def choose(self, model: nn.Module, weights: list[Tensor], count: int, splits: Splits) -> list[Tensor]:
        device = weights[0].device
        parts = list(islice(splits["train"].epoch(0), self.batches))
        batches = [batch.to(device) for batch in parts if batch.num_graphs]
        counts = [[weight.numel() * level // self.levels for level in range(self.levels + 1)] for weight in weights]
        before = outputs(model, batches)
        distortion = [
            [self._change(model, batches, before, [weight], [kept]) for kept in options]
            for weight, options in zip(weights, counts, strict=True)
        ]
        chosen = least_distortion(distortion, counts, count)
        kept = [options[option] for options, option in zip(counts, chosen, strict=True)]
        alone = sum(values[option] for values, option in zip(distortion, chosen, strict=True))
        self.learnt["additivity"].value = self._change(model, batches, before, weights, kept) / alone if alone else 1.0
        sure = largest(weights, kept)
        return highest([w.abs().masked_fill(mask, torch.inf) for w, mask in zip(weights, sure, strict=True)], count)

    def _change(
        self, model: nn.Module, batches: Sequence[Batch], before: Tensor, weights: list[Tensor], kept: list[int]
    ) -> float:
        """The mean squared change of the outputs with `kept` of the `weights` left; these are as before afterwards.

        Of several processes' outputs together.
        """
        saved = [weight.clone() for weight in weights]
        for weight, mask in zip(weights, largest(weights, kept), strict=True):
            weight.mul_(mask)
        after = outputs(model, batches)
        for weight, value in zip(weights, saved, strict=True):
            weight.copy_(value)
        change = (after - before).double().square()
        total, count = distributed.total([float(change.sum()), change.numel()]).tolist()
        return total / count

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        return super().report(model, splits, folder) | {"additivity": self.learnt["additivity"].value}


def outputs(model: nn.Module, batches: Sequence[Batch]) -> Tensor:
    """What the model says in evaluation; nothing where there are no batches."""
    model.eval()
    return torch.cat([model(batch) for batch in batches]) if batches else torch.empty(0)
