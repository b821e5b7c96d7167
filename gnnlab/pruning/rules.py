"""Which weights stay, by a rule's name: by magnitude, over all layers together or within each, or by LAMP."""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Literal

import torch
from torch import Tensor

from gnnlab.pruning.allocation import erk, uniform, uniform_plus

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


def num_kept(total: int, keep: float) -> int:
    """How many of `total` weights stay: all but ⌈(1 − keep) · total⌉."""
    return total - ceil((1 - keep) * total - 1e-9)


def highest(scores: Sequence[Tensor], count: int) -> list[Tensor]:
    """Masks of the shapes of `scores`: True at the `count` greatest of all together, of equal ones the first."""
    if not scores:
        return []
    flat = torch.cat([score.flatten() for score in scores])
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    if count > 0:
        least = flat.kthvalue(len(flat) - count + 1).values
        above, equal = flat > least, flat == least
        chosen = above | (equal & (equal.cumsum(0) <= count - above.sum()))
    return [part.view_as(score) for part, score in zip(chosen.split([s.numel() for s in scores]), scores, strict=True)]


def lamp(weight: Tensor) -> Tensor:
    """LAMP: w_u² / Σ w_v² over the v of the layer with |w_v| ≥ |w_u|, in float64.

    Lee et al., "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021. The largest weight of every layer
    scores 1; equal weights score alike. Compared across layers, in a layer it is the order of magnitudes.
    """
    square = weight.detach().flatten().double().square()
    value, place = square.sort(descending=True)
    last = torch.searchsorted(-value, -value, right=True) - 1
    score = torch.where(value > 0, value / value.cumsum(0)[last].clamp(min=1e-300), 0.0)
    return torch.empty_like(score).index_copy(0, place, score).view(weight.shape)
