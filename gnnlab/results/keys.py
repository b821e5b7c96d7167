"""Which keys tell runs apart, what a run says under a key, and how such texts are sorted."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from gnnlab.config.asked import key_of
from gnnlab.config.hashing import decides
from gnnlab.config.nearest import did_you_mean, nearest_path, paths
from gnnlab.config.sections import LISTS, leaves
from gnnlab.errors import UsageError
from gnnlab.results.runs import Run

PAIR = ("dataset", "model")


def telling(runs: Sequence[Run]) -> list[str]:
    """Dataset, model, and the overrides that tell runs of one such pair apart; all differing keys if these do not.

    Encodings count by name, and by their settings only where all runs have the same ones.
    """
    keys = _differing(runs, (key_of(text) for run in runs for text in run.result.get("overrides", ())))
    if len({tuple(text(run, key) for key in keys) for run in runs}) == len({run.hash for run in runs}):
        return keys
    groups = {group for group in LISTS if len({text(run, group) for run in runs}) > 1}
    settings = (key for run in runs for key, _ in leaves(run.config))
    return _differing(runs, (group if (group := key.split(".")[0]) in groups else key for key in settings))


def constant(runs: Sequence[Run], keys: Sequence[str]) -> dict[str, str]:
    """The keys under which all runs say the same, and what they say; empty for a single configuration."""
    if len({run.hash for run in runs}) < 2:
        return {}
    said = {key: {text(run, key) for run in runs} for key in keys}
    return {key: texts.pop() for key, texts in said.items() if len(texts) == 1}


def text(run: Run, key: str) -> str:
    """What a run says under a key (`optimizer.lr`, `model/conv`, `config`, `metric`) as it stands in a table."""
    value = run.hash if key == "config" else run.result.get("metric") if key == "metric" else run.value(key)
    return "–" if value is None else str(value)


def data(run: Run) -> tuple[str, str, str]:
    """What tells a run's data from others': two folders are both `folder`, Cora has several kinds of splits."""
    kind = str((run.config.get("dataset") or {}).get("_target_")).rpartition(".")[2]
    return text(run, "dataset"), str(run.result.get("dataset")), kind


def shown(chosen: tuple[str, str, str], among: Iterable[tuple[str, str, str]]) -> str:
    """The first word of one `data`, with those that tell it from others `among` them of the same word."""
    same = [other for other in among if other[0] == chosen[0]]
    telling = [word for i, word in enumerate(chosen) if len({other[i] for other in same}) > 1]
    return f"{chosen[0]} ({', '.join(telling)})" if telling else chosen[0]


def by_data(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by what their data is called among them."""
    among, groups = {data(run) for run in runs}, {}
    for run in runs:
        groups.setdefault(shown(data(run), among), []).append(run)
    return groups


def split(runs: Iterable[Run], keys: Sequence[str]) -> dict[tuple[str, ...], list[Run]]:
    """Runs by what they say under all `keys`."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(text(run, key) for key in keys), []).append(run)
    return groups


def says(run: Run, key: str, value: str) -> bool:
    """Whether a run says `value` under a key as it would be typed: 1e-3 is 0.001, `true` is True, `null` nothing."""
    said = text(run, key)
    try:
        return float(said) == float(value)
    except ValueError:
        return said.lower() == ("–" if value == "null" else value.lower())


def named(key: str, said: str) -> str:
    """What to write where the key is not shown: `gps`, but `lr=0.001`."""
    return said if "." not in key else f"{key.rpartition('.')[2]}={said}"


def order(label: str) -> tuple[float, str]:
    """For sorting: numbers by size, before everything else."""
    try:
        return float(label), ""
    except ValueError:
        return inf, label


def check(runs: Sequence[Run], keys: Iterable[str], metrics: Iterable[str]) -> None:
    """Raises `UsageError` for a key or a metric that no run has."""
    for name in metrics:
        if all(run.metric(name) is None for run in runs):
            raise UsageError(f"No run has the metric {name!r}; they have {', '.join(runs[0].metric_names)}.")
    known = {path for run in runs for path in (*paths(run.config), *run.result.get("choices", ()))}
    for key in keys:
        if key.replace("/", ".") not in known and key not in known and key not in ("config", "metric"):
            raise UsageError(f"No run has the key {key!r}{did_you_mean(nearest_path(key, sorted(known)))}")


def unique(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def _differing(runs: Sequence[Run], keys: Iterable[str]) -> list[str]:
    pairs = split(runs, PAIR)
    new = [key for key in unique(keys) if key not in PAIR and decides(key)]
    return [*PAIR, *(key for key in new if any(len({text(run, key) for run in pair}) > 1 for pair in pairs.values()))]
