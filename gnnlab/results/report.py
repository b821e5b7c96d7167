"""A folder of runs as one HTML page that needs nothing else: results, figures, runs, configurations, failures."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from html import escape
from pathlib import Path
from textwrap import shorten

from gnnlab.errors import UsageError
from gnnlab.results import html, plot
from gnnlab.results.keys import by_data, order, unique
from gnnlab.results.report_tables import all_runs, configurations, failure, results
from gnnlab.results.runs import Run, newest
from gnnlab.results.series import sets
from gnnlab.results.status import WORDS, span, status
from gnnlab.results.style import inline

TEMPLATE = Path(__file__).with_name("page.html")
LONGEST = 300
"""Letters of the names that are read aloud of a figure."""


def report(runs: Sequence[Run], title: str) -> str:
    """The page. Runs that are not complete stand in it too."""
    current = newest(runs)
    complete = [run for run in current if run.complete]
    members = by_data(complete)
    sections = {
        **({"Results": results(complete)} if len(members) > 1 else {}),
        **{name: made for name, runs in members.items() if (made := _dataset(name, runs, alone=len(members) == 1))},
        "Runs": html.search("all-runs", "filter: zinc gps seed0") + all_runs(current),
        "Configurations": configurations(current),
    }
    if failures := [run for run in current if run.result["status"] == "failed"]:
        sections["Failures"] = "".join(failure(run) for run in failures)
    body = [
        f"<h1>{escape(title)}</h1>",
        html.paragraph(f"Written {datetime.now():%Y-%m-%d %H:%M} by gnnlab; numbers sort by a click.", soft=True),
        html.facts(_facts(current, complete)),
        html.links(list(sections)),
        *(html.section(name, content) for name, content in sections.items()),
    ]
    return TEMPLATE.read_text(encoding="utf-8").replace("{{title}}", escape(title)).replace("{{body}}", "".join(body))


def _facts(current: Sequence[Run], complete: Sequence[Run]) -> list[tuple[str, str]]:
    words = [state.word for state in status(current)]
    environments = [run.result.get("environment") or {} for run in complete]
    commits = unique(str((run.result.get("code") or {}).get("commit") or "unknown")[:10] for run in complete)
    hardware = unique(str(where.get("gpu") or where.get("cpu")) for where in environments if where)
    return [
        *((word, str(words.count(word))) for word in WORDS if word in words),
        ("configurations", str(len({run.hash for run in current}))),
        ("time in complete runs", span(sum(run.metric("seconds") or 0.0 for run in complete))),
        ("code", ", ".join(commits) or "–"),
        ("on", ", ".join(hardware) or "–"),
        ("torch", ", ".join(unique(where["torch"] for where in environments if "torch" in where)) or "–"),
    ]


def _dataset(name: str, runs: list[Run], alone: bool) -> str:
    """The table and the figures of the complete runs on one dataset; no table of one row that stands elsewhere too."""
    several = len({run.hash for run in runs}) > 1
    (groups,) = sets(runs, (), ()).values()
    shown = shorten(", ".join(sorted(groups, key=order)), LONGEST, placeholder=" …")
    figures = []
    for draw, words, wanted in (
        (plot.curves, "Validation over the epochs: mean and sample standard deviation over runs (their number).", True),
        (
            plot.bars,
            "Test at the epoch of best validation, best first: mean, standard deviation, a dot a run.",
            several,
        ),
        (plot.pareto, "Test against parameters: the line joins those that none beats in both.", several),
    ):
        with suppress(UsageError):  # no curves were logged
            if wanted:
                figures.append(html.figure(inline(draw(runs), f"{name}: {shown}. {words}"), words))
    drawn = f'<div class="figures">{"".join(figures)}</div>\n' if figures else ""
    return (results(runs) if alone or several else "") + drawn
