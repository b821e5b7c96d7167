"""Which published numbers the runs reach: a row for each cell of `published.csv` that some of them match.

Where several configurations match a cell, the row is of the one nearest to the published setting; of equally near ones,
of that with the most runs, then of the newest. Deviations are in published standard deviations, in ours where none is
published. Runs without the preset of their model and data do not attempt a published value and have no row.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any, get_type_hints

from hydra.utils import get_class

from gnnlab.config import compose, conf_dir
from gnnlab.config.asked import key_of
from gnnlab.config.hashing import decides
from gnnlab.errors import UsageError
from gnnlab.results.keys import unique
from gnnlab.results.published import NO_PRESET, Match, beside, cells
from gnnlab.results.runs import Run, newest, numbers
from gnnlab.results.wording import statistics

LESS = ("trainer.max_epochs", "loader.limit", "dataset.num_train", "dataset.num_graphs")
"""Overrides that make a training shorter than the published one."""


@dataclass(frozen=True)
class Row:
    """A published cell beside our runs.

    `job`: the folder they lie in, a job of experiments/background.yaml. `epochs`: how many were run, on average.
    `short`: trained for less than published; `departures`: that, and whatever else is known to differ.
    """

    job: str
    dataset: str
    model: str
    overrides: str
    metric: str
    published_mean: str
    published_std: str
    source: str
    evidence: str
    mean: float
    std: float | None
    runs: int
    seeds: int
    folds: int
    deviation: float | None
    epochs: float
    published_epochs: int | None
    short: str
    departures: str
    parameters: int
    minutes: float
    hardware: str
    commit: str
    command: str


def ledger(runs: Sequence[Run]) -> list[Row]:
    """The rows of the newest complete `runs`, by job, dataset, model and overrides."""
    configurations: dict[str, list[Run]] = {}
    for run in newest(runs):
        if run.complete and run.metric("test") is not None:
            configurations.setdefault(run.hash, []).append(run)
    known = cells()
    nearest: dict[tuple, tuple[Match, list[Run]]] = {}
    for group in configurations.values():
        match = beside(group, "test", known)
        if match and NO_PRESET not in match.departures:
            key = match.cell.dataset, match.cell.model, match.cell.overrides
            if key not in nearest or _closeness(match, group) > _closeness(*nearest[key]):
                nearest[key] = match, group
    rows = (_row(match, group) for match, group in nearest.values())
    return sorted(rows, key=lambda row: (row.job, *_cell(row)))


def merged(rows: Sequence[Row], path: Path) -> list[Row]:
    """`rows`, and those of the ledger in `path`, if there is one: runs need not be kept for ever.

    Of two rows of a published cell the one with fewer departures stays, of equals that of more runs, then the new one.
    Rows go whose cell is not published any more, or with another value.

    Raises `UsageError` where the file is no ledger.
    """
    if not path.exists():
        return list(rows)
    kinds = get_type_hints(Row)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            before = [
                Row(**{name: _value(text, kinds[name]) for name, text in row.items()}) for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is no ledger of this version: move it away, or name another with -o.") from error
    published = {(cell.dataset, cell.model, cell.overrides, cell.mean, cell.std) for cell in cells()}
    best = {_cell(row): row for row in before if (*_cell(row), row.published_mean, row.published_std) in published}
    for row in rows:
        if (old := best.get(_cell(row))) is None or _worth(row) >= _worth(old):
            best[_cell(row)] = row
    return sorted(best.values(), key=lambda row: (row.job, *_cell(row)))


def _worth(row: Row) -> tuple[int, int]:
    return -len(row.departures.split()), row.runs


def _cell(row: Row) -> tuple[str, str, str]:
    return row.dataset, row.model, row.overrides


def _value(text: str, kind: Any) -> Any:
    """A field as it was before it was written: a whole number stays one, so a row that stays does to the letter."""
    if kind is str:
        return text
    whole = kind in (int, int | None) or text.isdigit()
    return (int if whole else float)(text) if text or kind in (int, float) else None


def write(rows: Sequence[Row], path: Path) -> None:
    """As CSV, every digit kept."""
    from gnnlab.files import replacing

    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def summary(rows: Sequence[Row]) -> str:
    """How many are within one and two standard deviations, and which are not."""
    parts = {"in the published training": [row for row in rows if not row.short]}
    parts["short"] = [row for row in rows if row.short]
    lines = [f"Published cells: {len(rows)}; {_within(rows)}."]
    lines += [f"  {name}: {len(part)}; {_within(part)}." for name, part in parts.items() if part]
    lines += ["Deviations are in published standard deviations, in ours where none is published. Beyond two:"]
    beyond = [(row.deviation, row) for row in rows if row.deviation is not None and abs(row.deviation) > 2]
    for deviation, row in sorted(beyond, key=lambda pair: -abs(pair[0])):
        published = f"{row.published_mean} ± {row.published_std}" if row.published_std else row.published_mean
        name = " ".join(filter(None, (row.dataset, row.model, row.overrides)))
        why = f" ({row.departures})" if row.departures else ""
        lines += [f"  {deviation:+.1f}  {name}: {row.mean:.4f}, published {published}{why}"]
    return "\n".join([*lines, *([] if beyond else ["  none"])]) + "\n"


def _within(rows: Sequence[Row]) -> str:
    sizes = [abs(row.deviation) for row in rows if row.deviation is not None]
    one, two = (sum(size <= bound for size in sizes) for bound in (1, 2))
    unknown = f", {len(rows) - len(sizes)} unknown" if len(sizes) < len(rows) else ""
    return f"{one} within one standard deviation, {two} within two{unknown}"


def _closeness(match: Match, runs: Sequence[Run]) -> tuple[int, int, str]:
    return -len(match.departures), len(runs), max(run.result.get("finished", "") for run in runs)


def _row(match: Match, runs: list[Run]) -> Row:
    cell, first = match.cell, runs[0]
    ours, spread, n = statistics(numbers(runs, "test"))
    assert ours is not None
    published, sigma = float(cell.mean), float(cell.std) if cell.std else spread
    commits = (run.result.get("code", {}) for run in runs)
    places = (run.result.get("environment", {}) for run in runs)
    return Row(
        job=first.folder.absolute().parents[1].name,
        dataset=cell.dataset,
        model=cell.model,
        overrides=cell.overrides,
        metric=cell.metric,
        published_mean=cell.mean,
        published_std=cell.std,
        source=cell.source,
        evidence=cell.evidence,
        mean=ours,
        std=spread,
        runs=n,
        seeds=len({run.config["seed"] for run in runs}),
        folds=len({run.fold for run in runs}),
        deviation=0.0 if ours == published else (ours - published) / sigma if sigma else None,
        epochs=mean(run.result["epochs"] for run in runs),
        published_epochs=_published_epochs(cell.model, cell.dataset),
        short="short" if any(text.split("=")[0] in LESS for text in match.departures) else "",
        departures=" ".join([*match.departures, *_folds(runs)]),
        parameters=first.result["parameters"],
        minutes=sum(run.result["seconds"] for run in runs) / 60,
        hardware="; ".join(unique(_hardware(place) for place in places)),
        commit=" ".join(unique(_commit(code) for code in commits)),
        command=_command(runs),
    )


def _folds(runs: Sequence[Run]) -> list[str]:
    """How many of the published folds there are runs of, where that is not all."""
    target = runs[0].config["dataset"]["_target_"]
    if runs[0].fold is None or not target.startswith("gnnlab."):
        return []
    done, published = len({run.fold for run in runs}), get_class(target).num_folds
    return [f"folds={done}/{published}"] if done < published else []


@cache
def _published_epochs(model: str, dataset: str) -> int | None:
    """The most epochs that the published schedule may take; None where no preset has it."""
    if not (conf_dir() / "preset" / f"{model}_{dataset}.yaml").exists():
        return None
    return compose(f"model={model}", f"dataset={dataset}").trainer.max_epochs


def _commit(code: dict[str, Any]) -> str:
    """Seven digits, with a + where files differed from the commit; – outside a repository."""
    return f"{code['commit'][:7]}{'+' * bool(code.get('dirty'))}" if code.get("commit") else "–"


def _hardware(place: dict[str, Any]) -> str:
    return str(place.get("gpu") or f"{place.get('cpu')}, threads {place.get('threads')}")


def _command(runs: Sequence[Run]) -> str:
    """The command that makes these runs, or goes on with them."""
    asked = [text for text in runs[0].result.get("overrides", ()) if decides(key_of(text))]
    lists = {"seed": {run.config["seed"] for run in runs}, "dataset.fold": {run.fold for run in runs} - {None}}
    asked += [f"{key}={','.join(map(str, sorted(values)))}" for key, values in lists.items() if values]
    return f"python train.py -m {' '.join(asked)}"
