"""`result.json`: what a run was, what it cost and what it reached, in one file per run.

FLOPs are those torch counts (matrix products, convolutions, attention) in one forward pass; sums over
edges and elementwise work are not among them.
"""

import hashlib
import json
import os
import platform
import subprocess
import traceback
from functools import cache
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

import gnnlab
from gnnlab.batch import Batch
from gnnlab.config.hashing import config_hash
from gnnlab.errors import RunStopped, UsageError
from gnnlab.results.folder import now, write
from gnnlab.spec import GraphSpec
from gnnlab.trainer.state import FitResult

PACKAGE = Path(gnnlab.__file__).parent


def record(
    cfg: DictConfig, folder: Path, spec: GraphSpec, model: nn.Module, fit: FitResult, flops: int | None = None
) -> dict[str, Any]:
    """Write and return the result of a complete run; `flops` per graph, see `flops_per_graph`."""
    result = {
        "status": "complete",
        "finished": now(),
        "config_hash": config_hash(cfg),
        "seed": cfg.seed,
        "fold": OmegaConf.select(cfg, "dataset.fold"),
        **_request(),
        "dataset": spec.name,
        "metric": spec.metric,
        "rule": f"test {spec.metric} at the epoch of best validation {spec.metric}",
        "test": fit.test,
        "best": fit.best,
        "last": fit.last,
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history),
        "stopped": fit.stopped,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "flops_per_graph": flops,
        "seconds": fit.seconds,
        "graphs_per_second": fit.graphs_per_second,
        "peak_memory_mb": fit.peak_memory_mb,
        "curves": [path.name for name in ("metrics.csv", "timing.csv", "tb") if (path := folder / name).exists()],
        "code": code(),
        "environment": environment(),
    }
    _write(folder, result)
    return result


def record_failure(cfg: DictConfig, folder: Path, error: Exception) -> None:
    """Write why a run ended: the message into `result.json`, and with its traceback into `error.txt`."""
    expected = isinstance(error, UsageError | RunStopped)
    reason = str(error) if expected else f"{type(error).__name__}: {error}"
    write(folder / "error.txt", "".join(traceback.format_exception(error)))
    identity = {"config_hash": config_hash(cfg), "seed": cfg.seed, "fold": OmegaConf.select(cfg, "dataset.fold")}
    _write(folder, {"status": "failed", "reason": reason, "finished": now(), **identity, **_request(), "code": code()})


def flops_per_graph(model: nn.Module, batch: Batch) -> int:
    """FLOPs of a forward pass over `batch`, per graph."""
    from torch.utils.flop_counter import FlopCounterMode

    was_training = model.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(batch)
    model.train(was_training)
    return round(counter.get_total_flops() / batch.num_graphs)


@cache
def code() -> dict[str, Any]:
    """The commit gnnlab runs from, whether its files differ from it, and a hash of its sources."""

    def git(*command: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(PACKAGE), *command], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    tracked = git("ls-files", "--error-unmatch", "__init__.py") is not None
    sources = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        sources.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {
        "commit": git("rev-parse", "HEAD") if tracked else None,
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")) if tracked else None,
        "sources": sources.hexdigest(),
    }


def environment() -> dict[str, Any]:
    """What numbers may depend on besides the code: versions, device and threads; no names of hosts or users."""
    import torch_geometric

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "world": int(os.environ.get("WORLD_SIZE", 1)),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _request() -> dict[str, Any]:
    """The overrides and the options chosen on the command line."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return {"overrides": [], "choices": {}}
    hydra = HydraConfig.get()
    choices = OmegaConf.to_container(hydra.runtime.choices)
    assert isinstance(choices, dict)
    return {
        "overrides": list(hydra.overrides.task),
        "choices": {group: option for group, option in choices.items() if not str(group).startswith("hydra/")},
    }


def _write(folder: Path, result: dict[str, Any]) -> None:
    write(folder / "result.json", json.dumps(result, indent=2) + "\n")
