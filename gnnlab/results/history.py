"""The history of a run as its logger left it: `metrics.csv` and `timing.csv`, perhaps with a last line cut short."""

import csv
from contextlib import suppress
from pathlib import Path

Epochs = list[dict[str, float]]


def history(folder: Path) -> Epochs:
    """A row per epoch: train and validation metrics, learning rate. Empty where there is none."""
    return _rows(folder / "metrics.csv")


def timing(folder: Path) -> Epochs:
    """A row per epoch: seconds of training, graphs per second."""
    return _rows(folder / "timing.csv")


def _rows(path: Path) -> Epochs:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(line for line in file if line.endswith("\n")))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return [numbers for line in lines if "epoch" in (numbers := _numbers(line))]


def _numbers(line: dict) -> dict[str, float]:
    found = {}
    for key, text in line.items():
        with suppress(ValueError, TypeError):
            found[key] = float(text)
    return found
