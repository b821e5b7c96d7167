"""Many runs as one table: a row per configuration, mean ± sample standard deviation over its seeds and folds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from gnnlab.config.nearest import did_you_mean, nearest_path, paths
from gnnlab.config.sections import leaves
from gnnlab.errors import UsageError
from gnnlab.results.runs import Run, decides, newest

COSTS = ("parameters", "graphs_per_second")


@dataclass(frozen=True)
class Row:
    """`labels` tell the row from the others; `values` holds each metric of each run, `costs` one number each."""

    labels: list[str]
    values: dict[str, list[float]]
    costs: dict[str, float | None]


@dataclass(frozen=True)
class Table:
    """Rows under the names of their labels and metrics, the rules the numbers follow, and the runs not counted."""

    labels: list[str]
    metrics: list[str]
    rows: list[Row]
    rules: list[str]
    missing: list[str]


def tabulate(runs: Sequence[Run], by: Sequence[str] = (), metrics: Sequence[str] = ()) -> Table:
    """The table of `runs`: grouped by configuration, or by the values of the keys `by`.

    `metrics` default to the test and validation metric of the data. Of several runs of one configuration,
    seed and fold the newest complete one counts.
    """
    current = newest(runs)
    complete = [run for run in current if run.complete]
    groups: dict[Any, list[Run]] = {}
    for run in complete:
        groups.setdefault(tuple(str(run.value(key)) for key in by) or run.hash, []).append(run)
    labels = list(by) or [*_swept([group[0] for group in groups.values()]), "config"]
    names = list(metrics) or _unique(f"{part}/{run.result['metric']}" for run in complete for part in ("test", "val"))
    if complete:
        _check(complete, by, names)
    rows = [_row(group, labels, names) for group in groups.values()]
    return Table(
        labels,
        names,
        sorted(rows, key=lambda row: [_order(label) for label in row.labels]),
        _unique(run.result["rule"] for run in complete),
        [f"{run.name}: {_why(run)}" for run in current if not run.complete],
    )


def _check(runs: list[Run], by: Sequence[str], metrics: Sequence[str]) -> None:
    for name in metrics:
        if all(run.metric(name) is None for run in runs):
            raise UsageError(f"No run has the metric {name!r}; they have {', '.join(runs[0].metric_names)}.")
    known = {path for run in runs for path in (*paths(run.config), *run.result.get("choices", ()))}
    for key in by:
        if key.replace("/", ".") not in known and key not in known:
            raise UsageError(f"No run has the key {key!r}{did_you_mean(nearest_path(key, sorted(known)))}")


def _row(group: list[Run], labels: list[str], metrics: list[str]) -> Row:
    def numbers(name: str) -> list[float]:
        return [value for run in group if (value := run.metric(name)) is not None]

    costs = {name: sum(found) / len(found) if (found := numbers(name)) else None for name in COSTS}
    texts = [group[0].hash if label == "config" else str(group[0].value(label)) for label in labels]
    return Row(texts, {name: numbers(name) for name in metrics}, costs)


def _swept(runs: list[Run]) -> list[str]:
    """Dataset, model, and the overrides that tell the configurations apart; all differing keys if those do not."""

    def differing(keys: Iterable[str]) -> list[str]:
        new = [key for key in _unique(keys) if key not in base and decides(key)]
        return base + [key for key in new if len({str(run.value(key)) for run in runs}) > 1]

    base = ["dataset", "model"]
    overrides = (text for run in runs for text in run.result.get("overrides", ()))
    columns = differing(text.partition("=")[0].lstrip("+~").partition("@")[0] for text in overrides)
    if len({tuple(str(run.value(key)) for key in columns) for run in runs}) == len(runs):
        return columns
    return differing(key for run in runs for key, _ in leaves(run.config))


def _order(label: str) -> tuple[float, str]:
    """Numbers by size, before everything else."""
    try:
        return float(label), ""
    except ValueError:
        return inf, label


def _why(run: Run) -> str:
    reason = run.result.get("reason", "no result yet; `resume=auto` continues it").splitlines()[0]
    return f"{run.result['status']}: {reason}"


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
