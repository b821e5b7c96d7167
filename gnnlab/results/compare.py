"""Is A better than B, or than C? Paired tests over the seeds and folds that both have, a row a dataset and method."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import mean, stdev
from string import ascii_uppercase

from gnnlab.errors import UsageError
from gnnlab.results.formats import not_counted, plain_table
from gnnlab.results.keys import check, data, says, shown, unique
from gnnlab.results.paired import fewest, holm, t_test, wilcoxon
from gnnlab.results.runs import Run, newest
from gnnlab.results.series import more_is_better
from gnnlab.results.table import why
from gnnlab.results.wording import score

LEVEL = 0.05
Place = tuple[tuple[str, str, str], int, int | None]
"""Data, seed and fold."""


@dataclass(frozen=True)
class Comparison:
    """The scores of A and B on the shared seeds and folds of one dataset; `other`: the letter that B goes by."""

    dataset: str
    metric: str
    a: list[float]
    b: list[float]
    maximize: bool
    folds: bool
    other: str = "B"

    @property
    def differences(self) -> list[float]:
        """To twelve digits: those that differ by rounding alone are the same."""
        return [round(x - y, 12) for x, y in zip(self.a, self.b, strict=True)]

    @property
    def effect(self) -> float | None:
        """Cohen's d of paired samples: the mean difference in standard deviations of the differences."""
        spread = stdev(self.differences) if len(self.a) > 1 else 0.0
        return mean(self.differences) / spread if spread else None


def compare(a: Sequence[Run], b: Sequence[Run], metric: str = "test", other: str = "B") -> list[Comparison]:
    """A and B on each dataset, paired by seed and fold; `metric`: `test`, in that of the data, or as in a table.

    `other`: another letter for B, where A is compared with several.

    Raises `UsageError` where a side holds several configurations of a dataset, or nothing pairs.
    """
    sides = [_by_place(runs, name) for runs, name in ((a, "A"), (b, other))]
    shared = [place for place in sides[0] if place in sides[1]]
    if not shared:
        raise UsageError(f"A and {other} share no dataset, seed and fold with complete runs: there is nothing to pair.")
    found = []
    for dataset in unique(place[0] for place in shared):
        places = [place for place in shared if place[0] == dataset]
        pairs = [(sides[0][place].metric(metric), sides[1][place].metric(metric)) for place in places]
        whole = [(x, y) for x, y in pairs if x is not None and y is not None]
        if not whole:
            raise UsageError(f"The runs on {dataset[0]} have no metric {metric!r} on both sides.")
        first = sides[0][places[0]]
        folds = len({place[2] for place in places}) > 1
        title = shown(dataset, (place[0] for place in shared))
        found.append(
            Comparison(
                title,
                first.title(metric),
                [x for x, _ in whole],
                [y for _, y in whole],
                more_is_better(first, metric),
                folds,
                other,
            )
        )
    return found


def left_out(a: Sequence[Run], b: Sequence[Run], metric: str = "test", other: str = "B") -> list[str]:
    """The runs of A and of the other that `compare` does not count, a line each, and why."""
    lines: list[str] = []
    for (side, mine), (partner, theirs) in permutations((("A", a), (other, b))):
        partners = {place for place, run in _by_place(theirs, partner).items() if run.metric(metric) is not None}
        lines += [f"{side}: {run.name}: {why(run)}" for run in newest(mine) if not run.complete]
        for place, run in _by_place(mine, side).items():
            if run.metric(metric) is None:
                lines.append(f"{side}: {run.name}: {run.title(metric)} has no value")
            elif place not in partners:
                lines.append(f"{side}: {run.name}: no partner in {partner}")
    return lines


def select(runs: Sequence[Run], conditions: str) -> list[Run]:
    """The runs of which `model=gps,optimizer.lr=0.001` is true. Raises `UsageError` where none is."""
    split = [condition.partition("=") for condition in conditions.split(",")]
    if odd := [key for key, sign, _ in split if not sign]:
        raise UsageError(f"{odd[0]!r} is not a condition: write model={odd[0]}, or whichever key it is a value of.")
    wanted = {key: value for key, _, value in split}
    check(runs, wanted, ())
    found = [run for run in runs if all(says(run, key, value) for key, value in wanted.items())]
    if not found:
        missing = next((f"{k}={v}" for k, v in wanted.items() if not any(says(run, k, v) for run in runs)), conditions)
        raise UsageError(f"Among these runs no run has {missing}.")
    return found


def markdown(comparisons: Sequence[Comparison], names: Sequence[str], without: Sequence[str] = ()) -> str:
    """The table of the comparisons, what limits them, and the runs they are `without` (`left_out`).

    `names` of A, B, …; p-values are corrected for all that are there, of whatever dataset and method.
    """
    several, others = len(comparisons) > 1, len(names) > 2
    p_w = holm([wilcoxon(c.differences) for c in comparisons])
    p_t = holm([t_test(c.differences) for c in comparisons])
    suffix = " (Holm)" if several else ""
    sides = ["against", "A", "it", "A − it"] if others else ["A", "B", "A − B"]
    header = ["dataset", "metric", *sides, "effect d", f"p Wilcoxon{suffix}", f"p t-test{suffix}"]
    rows = [
        [
            c.dataset,
            f"{c.metric} {'↑' if c.maximize else '↓'}",
            *([c.other] if others else []),
            score(c.a),
            score(c.b),
            f"{mean(c.differences):+.4f}",
            _number(c.effect),
            _number(w),
            _number(t),
        ]
        for c, w, t in zip(comparisons, p_w, p_t, strict=True)
    ]
    what = "Mean ± sample standard deviation (pairs) over shared seeds and folds; effect: mean difference in standard "
    who = " ".join(f"{letter}: {name}." for letter, name in zip(ascii_uppercase, names, strict=False))
    notes = [f"{who} {what}deviations of the differences.", *_limits(comparisons)]
    return "\n\n".join([plain_table(header, rows, left=2 + others), *notes, *not_counted(without)]) + "\n"


def _limits(comparisons: Sequence[Comparison]) -> list[str]:
    """What the number and the kind of the pairs keep these tests from showing."""
    pairs = [sum(d != 0 for d in c.differences) for c in comparisons]
    found, m = [], len(comparisons)
    for n, tests in ((max(pairs), m), (min(pairs), 1)):
        if n < fewest(LEVEL, tests) and not found:
            corrected, bound = " after correction" * (tests > 1), min(1, tests * 2 / 2**n)
            found.append(
                f"With {n} pair{'s' * (n != 1)} that differ, Wilcoxon's p-value is {bound:.2g} at the "
                f"least{corrected}: it takes {fewest(LEVEL, tests)} to reach {LEVEL}. The t-test gets there by "
                "trusting that differences are normal."
            )
    if any(c.folds for c in comparisons):
        found.append("Folds share training data, so these pairs are not independent and p-values come out too small.")
    return found


def _by_place(runs: Sequence[Run], side: str) -> dict[Place, Run]:
    found: dict[Place, Run] = {}
    for run in newest(runs):
        place = data(run), run.config["seed"], run.fold
        if run.complete and place in found:
            raise UsageError(
                f"{side} holds several configurations of {place[0][0]}: {found[place].name} and {run.name}. "
                "Narrow it to one: a folder like runs/zinc-gps-…, conditions like model=gps,optimizer.lr=0.001, "
                "or the runs with --in FOLDER."
            )
        if run.complete:
            found[place] = run
    return found


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}" if abs(value) < 0.1 else f"{value:.2f}"
