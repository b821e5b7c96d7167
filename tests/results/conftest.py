"""Synthetic configurations and run folders."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from gnnlab.results.folder import RunFolder


@pytest.fixture
def make_cfg(tmp_path: Path):
    """A small configuration with `changes` (dotted keys) applied."""

    def make(**changes: Any) -> DictConfig:
        cfg = OmegaConf.create(
            {
                "seed": 0,
                "out": str(tmp_path / "runs"),
                "resume": "never",
                "data": {"_target_": "gnnlab.datasets.source.DataSource", "root": "data"},
                "dataset": {"_target_": "gnnlab.datasets.zinc.Zinc"},
                "model": {"_target_": "gnnlab.models.gps.GPS", "dim": 64},
                "encoding": {"rwse": {"_target_": "gnnlab.encodings.rwse.RWSE", "steps": 20}},
                "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.001},
                "trainer": {"_target_": "gnnlab.trainer.loop.Trainer", "max_epochs": 3},
            }
        )
        for key, value in changes.items():
            OmegaConf.update(cfg, key.replace("__", "."), value, force_add=True)
        return cfg

    return make


@pytest.fixture
def make_run(make_cfg):
    """A finished run of the configuration with `changes`, with the given test MAE (and twice that in validation).

    `result`: what else its result.json says.
    """

    def make(
        mae: float,
        overrides: tuple[str, ...] = (),
        finished: str = "2026-01-01",
        result: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Path:
        with RunFolder.open(make_cfg(**changes)) as folder:
            complete(folder.path, mae, overrides, finished, **(result or {}))
        return folder.path

    return make


def complete(
    folder: Path, mae: float, overrides: tuple[str, ...] = (), finished: str = "2026-01-01", **more: Any
) -> None:
    result = {
        "status": "complete",
        "finished": finished,
        "overrides": list(overrides),
        "choices": {"dataset": "zinc", "model": "gps"},
        "metric": "mae",
        "rule": "test mae at the epoch of best validation mae",
        "test": {"loss": mae, "mae": mae},
        "best": {"epoch": 2, "val/mae": 2 * mae},
        "last": {"epoch": 2, "val/mae": 3 * mae},
        "parameters": 423717,
        "graphs_per_second": 1000.0,
        "seconds": 1.5,
        "peak_memory_mb": 100.0,
        **more,
    }
    (folder / "result.json").write_text(json.dumps(result))
