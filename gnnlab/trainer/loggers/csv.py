"""metrics.csv and timing.csv in the run's folder: a row per epoch, numbers to the last digit."""

import csv
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnnlab.files import replacing
from gnnlab.trainer.protocols import Row

notice = logging.getLogger(__name__)


class Table:
    """A CSV file that grows by rows, and by columns when a row brings new ones.

    Where it cannot be written, on a full disk, one notice says so, and it is written whole with the next row or at
    the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self.columns: list[str] = []
        self.behind = False

    def rewrite(self, rows: list[Row]) -> None:
        self.rows = list(rows)
        self.columns = list(dict.fromkeys(key for row in rows for key in row))
        self._write()

    def append(self, row: Row) -> None:
        if self.behind or not set(row) <= set(self.columns):
            self.rewrite([*self.rows, row])
        else:
            self.rows.append(row)
            self._write(row)

    def finish(self) -> None:
        if self.behind:
            self._write()

    def _write(self, row: Row | None = None) -> None:
        """Write `row` behind the others, or the whole file."""
        try:
            if row is None:
                self._replace()
            else:
                with self.path.open("a", newline="", encoding="utf-8") as file:
                    csv.DictWriter(file, self.columns).writerow(row)
            self.behind = False
        except OSError as error:
            if not self.behind:
                notice.warning("%s cannot be written now (%s); its rows are kept for the next try.", self.path, error)
            self.behind = True

    def _replace(self) -> None:
        with replacing(self.path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            if self.rows:
                writer.writeheader()
            writer.writerows(self.rows)


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
        self.metrics.finish()
        self.times.finish()
