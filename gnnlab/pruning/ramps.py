"""How much stays, and how much is exchanged, as training goes on; `progress` runs from 0 to 1."""

from math import cos, pi


def cubic(progress: float, keep: float) -> float:
    """The share that stays: keep + (1 − keep) (1 − progress)³, quickly at first, and in the end `keep`.

    Zhu & Gupta, "To prune, or not to prune", 2017.
    """
    return keep + (1 - keep) * (1 - min(max(progress, 0.0), 1.0)) ** 3


def cosine(progress: float, first: float, last: float) -> float:
    """From `first` to `last` along half a cosine."""
    return last + (first - last) * (1 + cos(pi * min(max(progress, 0.0), 1.0))) / 2
