"""The sections of the report that are tables: results, runs, configurations, failures."""

from collections.abc import Sequence
from math import inf
from statistics import mean

import yaml

from gnnlab.config.hashing import decides
from gnnlab.config.sections import leaves
from gnnlab.results import html
from gnnlab.results.html import Cell
from gnnlab.results.keys import by_data, text, unique
from gnnlab.results.runs import Run
from gnnlab.results.status import span, status
from gnnlab.results.table import tabulate
from gnnlab.results.wording import caption, cost, header, published, reference, score


def results(runs: Sequence[Run]) -> str:
    """The table of configurations; on one dataset the best first, and in bold."""
    table = tabulate(runs)
    beside = published(table)
    ordered, best = list(table.rows), {}
    if len(table.rows) > 1 and len(by_data(runs)) == 1:
        choose = max if runs[0].maximize else min
        best = {
            name: choose(means)
            for name in table.metrics
            if (means := [mean(row.values[name]) for row in table.rows if row.values[name]])
        }
        ordered.sort(key=lambda row: _merit(row.values[table.metrics[0]], runs[0].maximize))
    rows = []
    for row in ordered:
        cells = [Cell(label) for label in row.labels[:-1]]
        for name in table.metrics:
            center = _mean(row.values[name])
            cells.append(
                Cell(score(row.values[name]), center, "best" * (center is not None and center == best.get(name)))
            )
            if name in beside:
                match = row.published.get(name)
                cells.append(Cell(reference(match), float(match.cell.mean) if match else None))
        cells += [Cell(cost(row.costs[name]), _mean(row.costs[name])) for name in table.costs]
        rows.append([*cells, Cell(row.labels[-1])])
    names = [name for name in header(table) if name != "config"]
    return html.table([*names, "config"], rows) + html.paragraph(caption(table), soft=True)


def all_runs(runs: Sequence[Run]) -> str:
    names = ["run", "state", "epochs", "best so far", "test", "best epoch", "time", "memory (MB)"]
    rows = []
    for state in status(runs):
        run = state.run
        test, seconds, memory = (
            run.metric(name) if run.complete else None for name in ("test", "seconds", "peak_memory_mb")
        )
        at = run.result.get("best_epoch")
        rows.append(
            [
                Cell(run.name),
                Cell(state.word, mark=state.word),
                Cell(f"{state.epoch}/{state.epochs}", state.epoch),
                Cell(state.best),
                Cell("–" if test is None else f"{test:.4f}", test),
                Cell("–" if at is None else str(at), at),
                Cell("–" if seconds is None else span(seconds), seconds),
                Cell("–" if memory is None else f"{memory:,.0f}", memory),
            ]
        )
    return html.table(names, rows, name="all-runs", tall=True)


def configurations(runs: Sequence[Run]) -> str:
    """The keys in which configurations differ, as a table, and each configuration in full."""
    first = {run.hash: run for run in runs}
    keys = unique(
        _key(path)
        for run in first.values()
        for path, _ in leaves(run.config)
        if decides(path) and not path.endswith("._partial_")
    )
    said = {key: [text(run, key) for run in first.values()] for key in keys}
    differing = [key for key in keys if len(set(said[key])) > 1]
    rows = [
        [Cell(run.folder.parent.name), *(Cell(said[key][i]) for key in differing)]
        for i, run in enumerate(first.values())
    ]
    many = f"They differ in {len(differing)} of {len(keys)} settings." if len(first) > 1 else "There is one."
    whole = [html.folded(run.folder.parent.name, yaml.safe_dump(run.config, sort_keys=False)) for run in first.values()]
    compared = html.table(["configuration", *differing], rows, tall=True) if differing else ""
    return html.paragraph(many) + compared + "".join(whole)


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _merit(values: Sequence[float], maximize: bool) -> float:
    """For sorting best first, and last who has no value."""
    return mean(values) * (-1 if maximize else 1) if values else inf


def _key(path: str) -> str:
    """The group whose option a `_target_` is: `model/conv` for `model.conv._target_`, `encoding` for all encodings."""
    group = path.removesuffix("._target_").replace(".", "/")
    return (
        path if not path.endswith("._target_") else group.partition("/")[0] if group.startswith("encoding/") else group
    )


def failure(run: Run) -> str:
    trace = run.folder / "error.txt"
    details = trace.read_text(encoding="utf-8", errors="replace") if trace.exists() else "No error.txt beside it."
    reason = str(run.result.get("reason", "no reason is recorded"))
    return html.folded(f"{run.name}: {reason.splitlines()[0]}", f"{reason}\n\n{details}", mark="failed")
