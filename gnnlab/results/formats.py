"""A `Table` as text: Markdown for reading, LaTeX (booktabs) for papers, CSV with every digit for programs."""

import csv
import io
from collections.abc import Callable
from statistics import mean, stdev

from gnnlab.results.table import Row, Table

COST_NAMES = {"parameters": "parameters", "graphs_per_second": "graphs/s"}


def markdown(table: Table) -> str:
    """An aligned Markdown table, the rules below it, and the runs that are not in it."""
    header, rows = _cells(table, "±")
    width = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    left = len(table.labels)

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, width, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * w if i < left else "-" * (w - 1) + ":" for i, w in enumerate(width)]
    body = ["\n".join([line(header), line(rule), *map(line, rows)])] if rows else []
    return "\n\n".join([*body, *_notes(table, "- ")]) + "\n"


def latex(table: Table) -> str:
    """A booktabs tabular; rules and runs left out follow as comments."""
    header, rows = _cells(table, r"$\pm$")
    align = "l" * len(table.labels) + "r" * (len(header) - len(table.labels))
    lines = [
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        _latex_row(header),
        r"\midrule",
        *map(_latex_row, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    notes = [f"% {line}" for note in _notes(table, "") for line in note.splitlines()]
    return "\n".join(lines + notes) + "\n"


def comma_separated(table: Table) -> str:
    """One row per configuration with mean, std and n of every metric, unrounded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    statistics = [f"{name} {what}" for name in table.metrics for what in ("mean", "std", "n")]
    writer.writerow([*table.labels, *statistics, *COST_NAMES])
    for row in table.rows:
        numbers = [number for name in table.metrics for number in _statistics(row.values[name])]
        writer.writerow([*row.labels, *numbers, *(row.costs[name] for name in COST_NAMES)])
    return text.getvalue()


FORMATS: dict[str, Callable[[Table], str]] = {"markdown": markdown, "latex": latex, "csv": comma_separated}


def _statistics(values: list[float]) -> tuple[float | None, float | None, int]:
    return mean(values) if values else None, stdev(values) if len(values) > 1 else None, len(values)


def _cells(table: Table, plus_minus: str) -> tuple[list[str], list[list[str]]]:
    def score(values: list[float]) -> str:
        center, spread, n = _statistics(values)
        if center is None:
            return "–"
        return f"{center:.4f} ({n})" if spread is None else f"{center:.4f} {plus_minus} {spread:.4f} ({n})"

    def cells(row: Row) -> list[str]:
        costs = ["–" if row.costs[name] is None else f"{row.costs[name]:,.0f}" for name in COST_NAMES]
        return [*row.labels, *(score(row.values[name]) for name in table.metrics), *costs]

    return [*table.labels, *table.metrics, *COST_NAMES.values()], [cells(row) for row in table.rows]


def _notes(table: Table, bullet: str) -> list[str]:
    notes = ["; ".join(["Mean ± sample standard deviation (runs)", *table.rules]) + "."] if table.rows else []
    if table.missing:
        notes.append("\n".join(["Not counted:", *(bullet + line for line in table.missing)]))
    return notes


def _latex_row(cells: list[str]) -> str:
    special = str.maketrans({c: rf"\{c}" for c in "_%&#"} | {"–": "--"})
    return " & ".join(cell.translate(special) for cell in cells) + r" \\"
