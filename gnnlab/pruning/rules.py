"""Which weights stay, by a rule's name: by magnitude, over all layers together or within each, or by LAMP."""

from collections.abc import Iterable, Sequence
from typing import Literal

from torch import Tensor

from gnnlab.pruning.allocation import erk, uniform, uniform_plus
from gnnlab.pruning.scores import highest, lamp

Rule = Literal["global", "uniform", "uniform_plus", "erk", "lamp"]
COUNTS = {"uniform": uniform, "uniform_plus": uniform_plus, "erk": erk}


def choose(rule: Rule, weights: Sequence[Tensor], count: int) -> list[Tensor]:
    """Masks of the `count` weights that stay."""
    weights = [weight.detach() for weight in weights]
    if rule == "lamp":
        return highest([lamp(weight) for weight in weights], count)
    if rule == "global":
        return highest([weight.abs() for weight in weights], count)
    counts = COUNTS[rule]([tuple(weight.shape) for weight in weights], count)
    return largest(weights, counts)


def check(rule: Rule, weights: Iterable[Tensor], count: int) -> None:
    """Raise now the `UsageError` that `choose` would raise after a training."""
    if rule in COUNTS:
        COUNTS[rule]([tuple(weight.shape) for weight in weights], count)


def largest(weights: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
    """Masks of the largest weights of each layer, as many as `counts` says."""
    return [highest([weight.abs()], count)[0] for weight, count in zip(weights, counts, strict=True)]
