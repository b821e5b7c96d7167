"""The name of an experiment: a hash of all that decides its results, the seed and fold apart.

Runs of one experiment that differ in their seed or fold share the hash, so they share a folder and a
row in a table.
"""

import hashlib
import json
from typing import Any

from omegaconf import DictConfig

from gnnlab.config.sections import LISTS, plain

LEFT_OUT = (
    "seed",
    "dataset.fold",
    "out",
    "resume",
    "ops",
    "allow",
    "data",
    "logger",
    "trainer.device",
    "trainer.progress",
    "trainer.profile",
    "trainer.checkpoint_every",
    "trainer.detect_anomaly",
)

UNSAID = {
    "budget": None,
    "dataset.normalize_features": False,
    "init": "default",
    "scheduler.watch": "metric",
    "trainer.choose": "metric",
    "trainer.pad": None,
}
"""Settings that came later: at their defaults, the name is what it was."""


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration of an earlier version, with the settings that came later as they were then.

    But for those of some data sets and schedules, which are not every one's.
    """
    of_all = {path: default for path, default in UNSAID.items() if not path.startswith(("dataset.", "scheduler."))}
    later = {"ops": "auto", **{group: {} for group in LISTS}, **of_all}
    for path, default in later.items():
        *parents, key = path.split(".")
        section = config.get(parents[0]) if parents else config
        if isinstance(section, dict):
            section.setdefault(key, default)
    return config


def decides(key: str) -> bool:
    """Whether a dotted key is part of what is run, and not of where, how often or with which seed."""
    return not any(key == path or key.startswith(f"{path}.") for path in LEFT_OUT)


def config_hash(cfg: DictConfig) -> str:
    """8 hexadecimal digits of SHA-256; the order of keys does not matter."""
    config = plain(cfg)
    for path in (*LEFT_OUT, *UNSAID):
        *parents, key = path.split(".")
        section = config.get(parents[0]) if parents else config
        if section and (path not in UNSAID or section.get(key) == UNSAID[path]):
            section.pop(key, None)
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
