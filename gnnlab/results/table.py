"""Many runs as one table: a row per configuration, or per value of any keys; if asked, columns per value of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten

from gnnlab.config.hashing import decides
from gnnlab.config.sections import leaves
from gnnlab.errors import UsageError
from gnnlab.results.keys import by_data, check, constant, named, order, split, telling, text, unique
from gnnlab.results.pooling import pooled
from gnnlab.results.published import Match, beside, cells
from gnnlab.results.runs import Run, newest, numbers

LONGEST = 200
COSTS = ("parameters", "flops_per_graph", "graphs_per_second")


@dataclass(frozen=True)
class Row:
    """`labels` tell the row from the others; `values` and `costs` hold the numbers of its runs, by column."""

    labels: list[str]
    values: dict[str, list[float]]
    costs: dict[str, list[float]]
    published: dict[str, Match]


@dataclass(frozen=True)
class Table:
    """Rows under the names of their labels, metrics and costs, the rules the numbers follow, and the runs not counted.

    `constant`: what all rows have in common, said once. `pooled`: of which rows several configurations are the runs.
    """

    labels: list[str]
    metrics: list[str]
    costs: list[str]
    rows: list[Row]
    rules: list[str]
    missing: list[str]
    constant: dict[str, str] = field(default_factory=dict)
    pooled: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Column:
    """A quantity, of the runs with these values of the keys that are spread over columns."""

    keys: Sequence[str]
    place: tuple[str, ...]
    name: str

    @property
    def title(self) -> str:
        return " ".join([*map(named, self.keys, self.place), self.name])


def tabulate(
    runs: Sequence[Run],
    by: Sequence[str] = (),
    metrics: Sequence[str] = (),
    columns: Sequence[str] = (),
    costs: Sequence[str] | None = None,
) -> Table:
    """The table of the newest complete `runs`: a row per configuration, or per value of the keys `by`.

    `columns`: keys whose values become columns. `metrics` default to test and validation in the metric of the data
    (with `columns`: test), `costs` to `COSTS` (with `columns`: none). Raises `UsageError` where a row would mix data
    sets, or hold a seed and fold of several configurations.
    """
    current = newest(runs)
    complete = [run for run in current if run.complete]
    if complete:
        check(complete, (*by, *columns), (*metrics, *(costs or ())))
    places = split(complete, columns)
    places = dict(sorted(places.items(), key=lambda item: [order(label) for label in item[0]]))
    names = metrics or (() if columns else _usual(complete))
    quantities = [
        Column(columns, place, name)
        for place, members in places.items()
        for name in names or unique(f"test/{run.result['metric']}" for run in members)
    ]
    costs = (() if columns else COSTS) if costs is None else costs
    prices = [Column(columns, place, name) for name in costs for place in places]
    for group in split(complete, [*by, *columns]).values() if by else ():
        if len(mixed := by_data(group)) > 1:
            rows = f"--by {','.join(by)} would mix {', '.join(sorted(mixed))} in a row"
            raise UsageError(f"{rows}: add {_apart(group)} to --by or --columns.")
    labels, same = _labels(complete, by, columns, mixed="test" in names)

    known = cells()
    rows = [
        _row(list(texts), split(group, columns), quantities, prices, known)
        for texts, group in split(complete, labels).items()
    ]
    return Table(
        labels,
        [column.title for column in quantities],
        [column.title for column in prices if any(row.costs[column.title] for row in rows)],
        sorted(rows, key=lambda row: [order(label) for label in row.labels]),
        _rules(complete),
        [f"{run.name}: {why(run)}" for run in current if not run.complete] + _without(places, quantities),
        same,
        pooled(complete, labels, columns),
    )


def _apart(runs: Sequence[Run]) -> str:
    """The key that tells the data of these runs apart: dataset, or a setting of it."""
    settings = (key for run in runs for key, _ in leaves(run.config["dataset"], "dataset") if decides(key))
    return next(key for key in ("dataset", *settings) if len({text(run, key) for run in runs}) > 1)


def why(run: Run) -> str:
    """The state of a run that is not complete, and the reason in one line."""
    reason = str(run.result.get("reason") or "no result yet; `resume=auto` continues it").splitlines()[0]
    return f"{run.result['status']}: {shorten(reason, LONGEST)}"


def _rules(runs: Sequence[Run]) -> list[str]:
    """How the epoch was chosen; of several metrics said once, without their names."""
    rules = unique(run.result["rule"] for run in runs)
    return (
        rules if len(rules) < 2 else unique(run.result["rule"].replace(f" {run.result['metric']}", "") for run in runs)
    )


def _labels(
    runs: Sequence[Run], by: Sequence[str], columns: Sequence[str], mixed: bool
) -> tuple[list[str], dict[str, str]]:
    """The keys in front of each row, and what all rows have in common."""
    if by:
        return list(by), {}
    keys = [key for key in telling(runs) if key not in columns]
    same = constant(runs, keys)
    labels = [key for key in keys if key not in same]
    if columns:
        return (labels, same) if labels else (keys, {})
    return [*labels, *(["metric"] if mixed else []), "config"], same


def _usual(runs: Sequence[Run]) -> list[str]:
    """Test and validation in the metric of the data; of data with several metrics each in its own."""
    metrics = unique(run.result["metric"] for run in runs)
    return [f"{part}/{metrics[0]}" if len(metrics) == 1 else part for part in ("test", "val") if metrics]


def _without(places: Mapping[tuple[str, ...], Sequence[Run]], quantities: Sequence[Column]) -> list[str]:
    """The numbers that complete runs should have and do not."""
    lacking = [(run, column.name) for column in quantities for run in places[column.place] if run.lacks(column.name)]
    return [f"{run.name}: {run.title(name)} has no value" for run, name in lacking]


def _row(texts: list[str], runs: dict, quantities: Sequence[Column], prices: Sequence[Column], known: list) -> Row:
    def found(columns: Sequence[Column]) -> dict[str, list[float]]:
        return {column.title: numbers(runs.get(column.place, ()), column.name) for column in columns}

    matches = ((column.title, beside(runs.get(column.place, ()), column.name, known)) for column in quantities)
    return Row(
        texts,
        found(quantities),
        found(prices),
        {title: match for title, match in matches if match},
    )
