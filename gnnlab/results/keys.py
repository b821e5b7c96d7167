"""Which keys tell runs apart, what a run says under a key, and in which order such texts stand."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from gnnlab.config.nearest import did_you_mean, nearest_path, paths
from gnnlab.config.sections import LISTS, leaves
from gnnlab.errors import UsageError
from gnnlab.results.runs import Run, decides

PAIR = ("dataset", "model")


def telling(runs: Sequence[Run]) -> list[str]:
    """Dataset, model, and the overrides that tell runs of one such pair apart; all differing keys if those do not.

    Of encodings, which there are; their settings only where the same ones are everywhere.
    """
    overrides = (text for run in runs for text in run.result.get("overrides", ()))
    keys = _differing(runs, (text.partition("=")[0].lstrip("+~").partition("@")[0] for text in overrides))
    if len({tuple(text(run, key) for key in keys) for run in runs}) == len({run.hash for run in runs}):
        return keys
    groups = {group for group in LISTS if len({text(run, group) for run in runs}) > 1}
    settings = (key for run in runs for key, _ in leaves(run.config))
    return _differing(runs, (group if (group := key.split(".")[0]) in groups else key for key in settings))


def constant(runs: Sequence[Run], keys: Sequence[str]) -> dict[str, str]:
    """The keys under which all runs of several configurations say the same, and what they say."""
    if len({run.hash for run in runs}) < 2:
        return {}
    said = {key: {text(run, key) for run in runs} for key in keys}
    return {key: texts.pop() for key, texts in said.items() if len(texts) == 1}


def text(run: Run, key: str) -> str:
    """What a run says under a key (`optimizer.lr`, `model/conv`, `config`, `metric`) as it stands in a table."""
    value = run.hash if key == "config" else run.result.get("metric") if key == "metric" else run.value(key)
    return "–" if value is None else str(value)


def says(run: Run, key: str, value: str) -> bool:
    """Whether a run says `value` under a key as it would be typed: 1e-3 is 0.001, `true` is True, `null` nothing."""
    said = text(run, key)
    try:
        return float(said) == float(value)
    except ValueError:
        return said.lower() == ("–" if value == "null" else value.lower())


def named(key: str, said: str) -> str:
    """What is said under a key where the key is not seen: `gps`, but `lr=0.001`."""
    return said if "." not in key else f"{key.rpartition('.')[2]}={said}"


def order(label: str) -> tuple[float, str]:
    """Numbers by size, before everything else."""
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
    pairs: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        pairs.setdefault(tuple(text(run, key) for key in PAIR), []).append(run)
    new = [key for key in unique(keys) if key not in PAIR and decides(key)]
    return [*PAIR, *(key for key in new if any(len({text(run, key) for run in pair}) > 1 for pair in pairs.values()))]
