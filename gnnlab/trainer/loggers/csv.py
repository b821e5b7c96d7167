"""metrics.csv and timing.csv in the run's folder: a row per epoch, numbers to the last digit."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnnlab.trainer.protocols import Row


class Table:
    """A CSV file that grows by rows, and by columns when a row brings new ones."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self.columns: list[str] = []

    def rewrite(self, rows: list[Row]) -> None:
        self.rows = list(rows)
        self.columns = list(dict.fromkeys(key for row in rows for key in row))
        self._write("w", [dict(zip(self.columns, self.columns, strict=True)), *self.rows] if rows else [])

    def append(self, row: Row) -> None:
        if set(row) <= set(self.columns):
            self.rows.append(row)
            self._write("a", [row])
        else:
            self.rewrite([*self.rows, row])

    def _write(self, mode: str, rows: list[Row]) -> None:
        with self.path.open(mode, newline="") as file:
            csv.DictWriter(file, self.columns).writerows(rows)


class CSV:
    """The logger that needs nothing."""

    def __init__(self, folder: Path) -> None:
        self.metrics = Table(folder / "metrics.csv")
        self.times = Table(folder / "timing.csv")

    def start(self, history: list[Row], timings: list[Row]) -> None:
        self.metrics.rewrite(history)
        self.times.rewrite(timings)

    def log(self, row: Row) -> None:
        self.metrics.append(row)

    def timing(self, row: Row) -> None:
        self.times.append(row)

    def close(self, summary: Mapping[str, Any] | None) -> None:
        pass
