"""`result.json`: what a run was, what it cost and what it reached, in one file per run."""

import json
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from gnnlab.config.asked import asked
from gnnlab.config.hashing import config_hash
from gnnlab.errors import GivenUp, RunStopped, UsageError
from gnnlab.files import write_text
from gnnlab.results.folder import now
from gnnlab.results.provenance import code, environment
from gnnlab.spec import GraphSpec
from gnnlab.trainer.state import FitResult

CHOSEN = {
    "metric": "the epoch of best validation {metric}",
    "loss": "the epoch of least validation loss",
    "both": "the last epoch to have the best validation {metric} and the least validation loss so far",
}
"""The epoch whose weights are tested, by `trainer.choose`."""


def record(
    cfg: DictConfig,
    folder: Path,
    spec: GraphSpec,
    model: nn.Module,
    fit: FitResult,
    flops: int | None = None,
    method: Mapping[str, Any] = MappingProxyType({}),
    sums: int | None = None,
    nonzeros: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write and return the result of a complete run.

    `flops`, `sums`, `nonzeros`: see `gnnlab.costs`. `method`: what aggregation,
    sparsifier and pruning tell (`Method.report`). What is NaN or infinite is None there: JSON knows neither.

    Raises `RunStopped` where it cannot be written.
    """
    result: dict[str, Any] = {
        "status": "complete",
        "finished": now(),
        "config_hash": config_hash(cfg),
        "seed": cfg.seed,
        "fold": OmegaConf.select(cfg, "dataset.fold"),
        **asdict(asked(cfg)),
        "dataset": spec.name,
        "metric": spec.metric,
        "rule": f"test {spec.metric} at {CHOSEN[cfg.trainer.get('choose', 'metric')].format(metric=spec.metric)}",
        "test": fit.test,
        "best": fit.best,
        "last": fit.last,
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history),
        "stopped": fit.stopped,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "flops_per_graph": flops,
        "sums_per_graph": sums,
        "nonzeros": dict(nonzeros),
        "seconds": fit.seconds,
        "graphs_per_second": fit.graphs_per_second,
        "peak_memory_mb": fit.peak_memory_mb,
        "method": dict(method),
        "curves": [path.name for name in ("metrics.csv", "timing.csv", "tb") if (path := folder / name).exists()],
        "code": code(),
        "environment": environment(),
    }
    result = {key: _strict(value) for key, value in result.items()}
    try:
        _write(folder, result)
    except OSError as error:
        advice = "Make room there, and resume=auto will write it."
        raise RunStopped(f"{folder} is trained, but its result cannot be written ({error}). {advice}") from error
    (folder / "error.txt").unlink(missing_ok=True)
    return result


def record_failure(cfg: DictConfig, folder: Path, error: Exception) -> None:
    """Write why a run ended: the message into `result.json`, and with its traceback into `error.txt`.

    On a full disk, as far as that goes: the error itself is what the user must hear of.
    """
    expected = isinstance(error, UsageError | RunStopped)
    reason = str(error) if expected else f"{type(error).__name__}: {error}"
    identity = {"config_hash": config_hash(cfg), "seed": cfg.seed, "fold": OmegaConf.select(cfg, "dataset.fold")}
    status = "given up" if isinstance(error, GivenUp) else "failed"
    result = {"status": status, "reason": reason, "finished": now(), **identity, **asdict(asked(cfg)), "code": code()}
    with suppress(OSError):
        _write(folder, result)
        write_text(folder / "error.txt", "".join(traceback.format_exception(error)))


def _strict(value: Any) -> Any:
    """`value` with None in the place of numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _write(folder: Path, result: dict[str, Any]) -> None:
    write_text(folder / "result.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
