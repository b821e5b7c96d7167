"""Settings chosen by validation: of all that was tried for a key, the best."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from gnnlab.config.hashing import decides
from gnnlab.config.sections import leaves
from gnnlab.results.keys import check, text
from gnnlab.results.runs import Run, newest, numbers

log = logging.getLogger(__name__)
Setting = frozenset[tuple[str, str]]


def tuned(runs: Sequence[Run], keys: Sequence[str]) -> list[Run]:
    """Of runs that differ in `keys` (and seed and fold) alone, those of the values with the best mean validation.

    The metric is that of the data, at the epoch that the run chose. Values with fewer seeds and folds than others of
    the same setting cannot win, and are named in a warning. Runs that are not complete stay, to be listed as such.
    Raises `UsageError` for a key that no run has.
    """
    current = newest(runs)
    complete = [run for run in current if run.complete]
    if complete:
        check(complete, keys, ())
    tried: dict[Setting, dict[Setting, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in complete:
        values, rest = _parted(run, [key.replace("/", ".") for key in keys])
        tried[rest][values].append(run)
    for values in tried.values():
        _warn(list(values.values()), keys)
    best = [run for values in tried.values() for run in max(values.values(), key=_merit)]
    return [*best, *(run for run in current if not run.complete)]


def _warn(groups: Sequence[Sequence[Run]], keys: Sequence[str]) -> None:
    """Name the values that cannot win for want of runs."""
    counts = [_merit(runs)[0] for runs in groups]
    for runs, count in zip(groups, counts, strict=True):
        if count < max(counts):
            value = ", ".join(f"{key}={text(runs[0], key)}" for key in keys)
            place = runs[0].folder.parent.name
            log.warning("%s cannot win with %d of %d runs (%s).", value, count, max(counts), place)


def _merit(runs: Sequence[Run]) -> tuple[int, float]:
    scores = numbers(runs, "val")
    return len(scores), (mean(scores) * (1 if runs[0].maximize else -1)) if scores else 0.0


def _parted(run: Run, keys: Sequence[str]) -> tuple[Setting, Setting]:
    """What a run was told under `keys`, and what else decides its result."""
    told = {(path, repr(value)) for path, value in leaves(run.config) if decides(path)}
    values = {(path, value) for path, value in told if any(f"{path}.".startswith(f"{key}.") for key in keys)}
    return frozenset(values), frozenset(told - values)
