"""Runs in the groups that a figure shows: by dataset, and in it by what tells them apart."""

import logging
from collections.abc import Callable, Sequence
from statistics import mean
from typing import NamedTuple

import numpy as np

from gnnlab.errors import UsageError
from gnnlab.results.history import history
from gnnlab.results.keys import by_data, check, constant, named, split, telling, text
from gnnlab.results.pooling import pooled
from gnnlab.results.runs import Run, is_error, newest, numbers

log = logging.getLogger(__name__)
Groups = dict[str, list[Run]]


def sets(runs: Sequence[Run], by: Sequence[str], metrics: Sequence[str]) -> dict[str, Groups]:
    """The newest complete runs that have all `metrics`, by dataset, and in it by what tells them apart.

    Raises `UsageError` where a group would hold a seed and fold of several configurations.
    """
    complete = [run for run in newest(runs) if run.complete]
    if not complete:
        raise UsageError("None of these runs is complete: there is nothing to draw yet.")
    check(complete, by, metrics)
    complete = [run for run in complete if all(run.metric(name) is not None for name in metrics)]
    sets: dict[str, Groups] = {}
    for name, members in by_data(complete).items():
        told = [key for key in telling(members) if key != "dataset"]
        keys = list(by) or [key for key in told if key not in constant(members, told)]
        if not by and len(split(members, keys)) < len({run.hash for run in members}):
            keys.append("config")
        for note in pooled(members, keys):
            log.warning("%s.", note)
        groups = split(members, keys)
        sets[name] = dict(zip(_labels(groups, keys), groups.values(), strict=True))
    return sets


def _labels(groups: dict[tuple[str, ...], list[Run]], keys: Sequence[str]) -> list[str]:
    """For each group a name of no more words than tell it from the others.

    Settings that its runs do not have are left out; who has none of them goes by its model.
    """
    if len(keys) == 1:
        return [said for (said,) in groups]
    for form in (named, "{}={}".format):
        found = [_joined(form, keys, said) or text(runs[0], "model") for said, runs in groups.items()]
        if len(set(found)) == len(found):
            return found
    return [", ".join(map("{}={}".format, keys, said)) for said in groups]


def _joined(form: Callable[[str, str], str], keys: Sequence[str], said: Sequence[str]) -> str:
    return ", ".join(form(key, word) for key, word in zip(keys, said, strict=True) if word != "–")


def more_is_better(run: Run, metric: str) -> bool:
    """Of `test` and `val` as the data says, of `train/loss` or `val/ap` by name; of costs, but for a speed, less is."""
    if metric in ("test", "val"):
        return run.maximize
    return metric == "graphs_per_second" or ("/" in metric and not is_error(metric))


def merit(group: Sequence[Run], metric: str = "test") -> float:
    """For sorting best first."""
    values = numbers(group, metric)
    return mean(values) * (-1 if more_is_better(group[0], metric) else 1) if values else float("inf")


class Curve(NamedTuple):
    """Over the epochs [k] that `runs` runs have in common: mean and sample standard deviation."""

    epochs: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    runs: int


def mean_curve(group: Sequence[Run], name: str) -> Curve:
    """Of those of a group that have logged `name`."""
    found = [{row["epoch"]: row[name] for row in history(run.folder) if name in row} for run in group]
    found = [curve for curve in found if curve]
    epochs = sorted(set.intersection(*map(set, found))) if found else []
    values = np.array([[curve[epoch] for epoch in epochs] for curve in found]).reshape(len(found), len(epochs))
    spread = values.std(axis=0, ddof=1) if len(found) > 1 else np.zeros(len(epochs))
    return Curve(np.array(epochs), values.mean(axis=0) if found else np.zeros(0), spread, len(found))
