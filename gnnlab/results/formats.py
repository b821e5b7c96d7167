"""A `Table` as text: Markdown for reading, LaTeX (booktabs) for papers, CSV with every digit for programs."""

import csv
import io
from collections.abc import Callable, Sequence
from statistics import mean

from gnnlab.results.table import Table
from gnnlab.results.wording import caption, grid, published, statistics

SPECIAL = {c: rf"\{c}" for c in "_%&#${}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
SPECIAL |= {"^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "*": r"$^{*}$"}
SPECIAL |= {"–": "--", "±": r"$\pm$", "†": r"$^{\dagger}$", "→": r"$\to$", "…": r"\dots{}", "×": r"$\times$"}
LATEX = str.maketrans(SPECIAL)
MOST = 10
"""Runs named that are not counted."""


def markdown(table: Table) -> str:
    """An aligned Markdown table, what its numbers are below it, and the runs that are not in it."""
    names, rows = grid(table)
    body = [plain_table(names, rows, left=len(table.labels)), caption(table)] if rows else []
    return "\n\n".join([*body, *not_counted(table.missing)]) + "\n"


def not_counted(lines: Sequence[str]) -> list[str]:
    """A paragraph that lists the first of them, if there are any."""
    more = (
        [f"- … and {len(lines) - MOST} more: `python -m gnnlab.results status` lists them"] if len(lines) > MOST else []
    )
    return ["\n".join(["Not counted:", *(f"- {line}" for line in lines[:MOST]), *more])] if lines else []


def plain_table(names: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """An aligned Markdown table whose first `left` columns are words."""
    names, *rows = ([text.replace("|", r"\|") for text in line] for line in (names, *rows))
    width = [max(len(line[i]) for line in (names, *rows)) for i in range(len(names))]
    rule = ["-" * w if i < left else "-" * (w - 1) + ":" for i, w in enumerate(width)]

    def line(texts: Sequence[str]) -> str:
        cells = [
            text.ljust(w) if i < left else text.rjust(w) for i, (text, w) in enumerate(zip(texts, width, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    return "\n".join(map(line, [names, rule, *rows]))


def latex(table: Table) -> str:
    """A table environment that needs the package booktabs; the runs left out follow as comments."""
    names, rows = grid(table)
    shown = [i for i, name in enumerate(names) if name != "config" or len(table.labels) == 1]
    align = "".join("l" if i < len(table.labels) else "r" for i in shown)

    def line(texts: Sequence[str]) -> str:
        return " & ".join(texts[i].translate(LATEX) for i in shown) + r" \\"

    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption(table).translate(LATEX)}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        line(names),
        r"\midrule",
        *map(line, rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    notes = [r"% Needs \usepackage{booktabs}.", *(f"% Not counted: {line}" for line in table.missing)]
    return "\n".join([*lines, *notes]) + "\n"


def comma_separated(table: Table) -> str:
    """One row per configuration with mean, std and n of every metric and the published value, unrounded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    beside = published(table)
    names = list(table.labels)
    for name in table.metrics:
        names += [f"{name} {what}" for what in ("mean", "std", "n")]
        names += [f"{name} published {what}" for what in ("mean", "std", "source", "evidence") if name in beside]
    writer.writerow([*names, *table.costs])
    for row in table.rows:
        line: list[object] = list(row.labels)
        for name in table.metrics:
            line += statistics(row.values[name])
            match = row.published.get(name)
            cell = (match.cell.mean, match.cell.std, match.cell.source, match.cell.evidence) if match else ("",) * 4
            line += cell if name in beside else ()
        writer.writerow([*line, *(mean(row.costs[name]) if row.costs[name] else None for name in table.costs)])
    return text.getvalue()


FORMATS: dict[str, Callable[[Table], str]] = {"markdown": markdown, "latex": latex, "csv": comma_separated}
