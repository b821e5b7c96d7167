"""What one row, bar or curve may hold: the seeds and folds of a configuration; of several no seed and fold twice."""

from collections import Counter
from collections.abc import Sequence

from gnnlab.errors import UsageError
from gnnlab.results.keys import named, split, telling, text
from gnnlab.results.runs import Run


def pooled(runs: Sequence[Run], by: Sequence[str], columns: Sequence[str] = ()) -> list[str]:
    """A sentence for each group of `runs`, by what they say under all these keys, that holds several configurations.

    Raises `UsageError` where two of them have the same seed and fold: seeds and folds are what one takes means over.
    """
    keys, notes = [*by, *columns], []
    for said, group in split(runs, keys).items():
        if (several := len({run.hash for run in group})) > 1:
            differing = [key for key in telling(group) if len({text(run, key) for run in group}) > 1] or ["config"]
            what = f"{several} configurations, which differ in {', '.join(differing)}"
            _check(group, f"--by {','.join(by)} would pool {what}", ",".join(differing))
            notes.append(f"{', '.join(map(named, keys, said))} pools {what}")
    return notes


def _check(group: Sequence[Run], problem: str, missing: str) -> None:
    (place, times), *_ = Counter((run.config["seed"], run.fold) for run in group).most_common(1)
    if times > 1:
        where = f"seed {place[0]}" if place[1] is None else f"seed {place[0]} and fold {place[1]}"
        raise UsageError(f"{problem}, and {times} of them have {where}: add {missing} to --by, or choose with --where.")
