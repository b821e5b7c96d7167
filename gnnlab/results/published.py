"""What papers report, beside our numbers: the cells of `published.csv`.

A cell belongs to a dataset, a model and the overrides that make it. Their words (`model/conv=gine`, `encoding=[rwse]`,
`model.act=gelu`) say which method it is and must be a run's own; their numbers (widths, depths) say at which size, and
the cell nearest in those is shown. `evidence`: S the authors' source, P the paper's text, 2 second-hand (a leaderboard,
another paper's table), M from memory, that is: not verified. Values are in our units, shares and not per cent.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from gnnlab.config.asked import key_of
from gnnlab.config.hashing import decides
from gnnlab.results.runs import Run

FILE = Path(__file__).with_name("published.csv")
NO_PRESET = "no preset"


@dataclass(frozen=True)
class Cell:
    """One published number; `mean` and `std` as printed, `std` empty where none is."""

    dataset: str
    model: str
    overrides: str
    metric: str
    mean: str
    std: str
    source: str
    evidence: str

    @cached_property
    def settings(self) -> dict[str, Any]:
        pairs = (override.split("=", 1) for override in self.overrides.split())
        return {key: _value(text) for key, text in pairs}

    @property
    def verified(self) -> bool:
        return self.evidence != "M"

    @property
    def command(self) -> str:
        """The command that runs it, the schedule being the preset's where there is one."""
        return f"python train.py model={self.model} dataset={self.dataset} {self.overrides}".strip()

    @property
    def text(self) -> str:
        return f"{self.mean} ± {self.std}" if self.std else self.mean


@dataclass(frozen=True)
class Match:
    """A cell beside runs, and in what their setting departs from the published one, as far as that is known."""

    cell: Cell
    departures: tuple[str, ...]

    @property
    def exact(self) -> bool:
        return not self.departures


def cells() -> list[Cell]:
    """All published cells."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return [Cell(**row) for row in csv.DictReader(file)]


def beside(runs: Sequence[Run], metric: str, known: Sequence[Cell]) -> Match | None:
    """The one cell of `metric` ("test/mae", or "test": their own) that all runs are of; None where they have none."""
    matches = [match for run in runs if (match := _nearest(run, metric, known))]
    if len(matches) < len(runs) or len({match.cell for match in matches}) != 1:
        return None
    return Match(matches[0].cell, tuple(dict.fromkeys(text for match in matches for text in match.departures)))


def _nearest(run: Run, metric: str, known: Sequence[Cell]) -> Match | None:
    choices = run.result.get("choices")
    if not choices or metric not in ("test", f"test/{run.result['metric']}"):
        return None
    place = run.value("dataset"), run.value("model"), run.result["metric"]
    candidates = [
        cell
        for cell in known
        if (cell.dataset, cell.model, cell.metric) == place
        and not any(_is_word(value) for value in _departures(run, cell).values())
    ]
    if not candidates:
        return None
    cell = min(candidates, key=lambda cell: (len(_departures(run, cell)), -len(cell.settings)))
    asked = map(key_of, run.result.get("overrides", ()))
    others = [key for key in asked if decides(key) and key not in ("dataset", "model", *cell.settings)]
    found = [f"{key}={run.value(key)}".replace(", ", ",") for key in (*others, *_departures(run, cell))]
    return Match(cell, tuple(found) if choices.get("preset", "none") != "none" else (*found, NO_PRESET))


def _departures(run: Run, cell: Cell) -> dict[str, Any]:
    """The settings of the cell that the run does not have."""
    return {key: value for key, value in cell.settings.items() if not _equal(run.value(key), value)}


def _equal(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, list):
        return set(str(ours).split("+")) == set(theirs or ["none"])
    return ours == theirs


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return yaml.safe_load(text)


def _is_word(value: Any) -> bool:
    return isinstance(value, str | bool | list)
