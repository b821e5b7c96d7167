"""Runs as found on disk: their configuration, result and place, read without torch."""

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from gnnlab.config.hashing import completed
from gnnlab.config.sections import leaves
from gnnlab.errors import UsageError
from gnnlab.results.holder import holder
from gnnlab.spec import MINIMIZED

log = logging.getLogger(__name__)


def read_result(folder: Path) -> dict[str, Any]:
    """The `result.json` of a run, `{"status": "unfinished"}` where there is none that can be read."""
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        result = None
    return result if isinstance(result, dict) and "status" in result else {"status": "unfinished"}


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path
    config: dict[str, Any]
    result: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def hash(self) -> str:
        """The hash of the configuration: equal for runs that differ in seed and fold alone."""
        return self.result.get("config_hash", self.folder.parent.name.rsplit("-", 1)[-1])

    @property
    def fold(self) -> int | None:
        return (self.config.get("dataset") or {}).get("fold")

    @property
    def identity(self) -> tuple[str, int, int | None]:
        return self.hash, self.config["seed"], self.fold

    @property
    def complete(self) -> bool:
        return self.result["status"] == "complete"

    def value(self, key: str) -> Any:
        """A configured value (`optimizer.lr`) or the option of a group (`model`, `model/conv`, `encoding`)."""
        found: Any = self.config
        for part in key.replace("/", ".").split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, dict) and "_target_" not in found:
            return "+".join(found) or "none"
        choice = self.result.get("choices", {}).get(key)
        if isinstance(found, dict):
            if key == "dataset":
                choice = choice or self.result.get("dataset")
            return choice or found["_target_"].rsplit(".", 1)[-1].lower()
        return choice if found is None else found

    @property
    def metric_names(self) -> list[str]:
        return [*(f"test/{name}" for name in self.result["test"]), *self.result["best"], *self.costs]

    @property
    def costs(self) -> list[str]:
        """The other numbers of the result: `seconds`, `parameters`, `method.sparsity`."""
        named = ("test", "best", "last", "seed", "fold", "best_epoch")
        return [path for path, value in leaves(self.result) if is_number(value) and path.split(".")[0] not in named]

    def metric(self, name: str) -> float | None:
        """`test/mae`; `val/mae`, `train/loss` at the best epoch; `last/val/mae`; a cost such as `method.sparsity`.

        `test` and `val` alone: of the metric of the data. None for NaN too.
        """
        name = self.title(name)
        part, _, rest = name.partition("/")
        table = self.result.get(part, {}) if part in ("test", "last") else self.result.get("best", {})
        value = table.get(name, table.get(rest)) if isinstance(table, dict) else None
        if value is None:
            value = self.result
            for key in name.split("."):
                value = value.get(key) if isinstance(value, dict) else None
        return value if is_number(value) else None

    def title(self, name: str) -> str:
        """The whole name of a metric: `test/mae` for `test` of data with this metric."""
        return f"{name}/{self.result['metric']}" if name in ("test", "val") else name

    def lacks(self, name: str) -> bool:
        """Whether a metric was computed and had no value."""
        return self.metric(name) is None and self.title(name) in self.metric_names

    @property
    def maximize(self) -> bool:
        """Whether more of the metric is better."""
        return not is_error(self.result["metric"])


def is_error(metric: str) -> bool:
    """Whether less of `val/mae`, `mae`, `train/loss` is better."""
    return metric.rpartition("/")[2] in (*MINIMIZED, "loss")


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def numbers(runs: Iterable[Run], name: str) -> list[float]:
    """`Run.metric` of those that have it."""
    return [value for run in runs if (value := run.metric(name)) is not None]


def load(folder: Path) -> list[Run]:
    """All runs below `folder`, but for one whose configuration is damaged. Raises `UsageError` if there are none."""
    found = []
    for path in sorted(folder.rglob("seed*/config.yaml")):
        try:
            found.append(read(path.parent))
        except UsageError as error:
            log.warning("Passed over: %s", error)
    if not found and (folder / "config.yaml").exists():
        found = [read(folder)]
    if not found:
        state = "holds no runs" if folder.is_dir() else "is not a folder"
        raise UsageError(
            f"{str(folder)!r} {state}. Name the folder that runs were written to (out=…, `runs` by default)."
        )
    return found


def read(folder: Path) -> Run:
    """The run in `folder`. Raises `UsageError` if its configuration cannot be read."""
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{str(folder)!r} is not a run folder: it has no config.yaml.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"Cannot read {folder / 'config.yaml'}: {error}") from error
    if not isinstance(config, dict) or "seed" not in config:
        raise UsageError(f"{folder / 'config.yaml'} is not the configuration of a run. Remove that folder.")
    return Run(folder, completed(config), read_result(folder))


def newest(runs: Iterable[Run]) -> list[Run]:
    """The newest complete run of each configuration, seed and fold; where there is none, the one at work or newest."""
    last: dict[tuple, Run] = {}
    for run in sorted(runs, key=_turn):
        last[run.identity] = run
    return sorted(last.values(), key=lambda run: run.name)


def _turn(run: Run) -> tuple[Any, ...]:
    """For sorting: who is complete last, by when that was; of the others who is at work last, then by when they began.

    Where times do not tell, `seed0.10` comes after `seed0.2`.
    """
    found = re.search(r"\.(\d+)$", run.folder.name)
    number = int(found[1]) if found else 1
    if run.complete:
        return True, run.result.get("finished", ""), number, run.name
    config, held = run.folder / "config.yaml", holder(run.folder)
    made = config.stat().st_mtime if config.exists() else 0.0
    return False, held is not None and held.lives, made, number, run.name
