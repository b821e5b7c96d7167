"""Jobs of a sweep that are one run to gnnlab: they differ in what the name of an experiment leaves out."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gnnlab.config.hashing import config_hash
from gnnlab.errors import UsageError

Jobs = dict[tuple[Any, ...], list[str]]
"""The overrides of a sweep's jobs, by what tells their runs apart."""


def refuse_twin(cfg: DictConfig, overrides: Sequence[str], jobs: Jobs) -> None:
    """Keep a job in `jobs`. Raises `UsageError` for one that would read the result of another there as its own."""
    if cfg.resume != "auto" and any(override.startswith("resume=") for override in overrides):
        return
    identity = cfg.out, config_hash(cfg), cfg.seed, OmegaConf.select(cfg, "dataset.fold")
    twin = jobs.setdefault(identity, list(overrides))
    here, there = (
        " ".join(override for override in one if override not in other)
        for one, other in ((overrides, twin), (twin, overrides))
    )
    if here != there:
        raise UsageError(
            f"{there} and {here} are one run under one name, so the second job would read the first one's result. "
            "resume=never runs both; a command and an out=FOLDER for each keeps them apart in tables too."
        )
