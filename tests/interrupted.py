"""Runs stopped at any step and resumed, and tiny data for them: for whatever method a config asks for."""

import signal
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gnnlab import compose, prepare
from gnnlab.config import build
from gnnlab.errors import Interrupted
from gnnlab.prepared import Prepared
from gnnlab.trainer import FitResult, Phase

QUICK = (
    "encoding=[]",
    "preset=none",
    "scheduler=constant",
    "optimizer.lr=1e-2",
    "model.num_layers=2",
    "model.hidden_dim=16",
    "loader.batch_size=2",
    "trainer.max_epochs=4",
    "trainer.device=cpu",
    "trainer.progress=false",
    "logger=[csv]",
    "allow=[tests]",
)


def tiny(folder: Path, dataset: str, *overrides: str) -> DictConfig:
    """A config for `tests.composition.tiny.<dataset>`, multi-class."""
    conf = folder / "conf" / "dataset"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / f"{dataset}.yaml").write_text(f"_target_: tests.composition.tiny.{dataset}\ntarget: multiclass\n")
    places = (f"data.root={folder / 'data'}", f"out={folder / 'runs'}")
    return compose(f"dataset={dataset}", *QUICK, *places, *overrides, config_dir=conf.parent)


def stopped(phases: Sequence[Phase], stop: int) -> list[Phase]:
    """`phases`, in which a signal comes after step number `stop` of all."""
    taken = count(1)

    def end(model: nn.Module, step: int) -> None:
        if next(taken) == stop:
            signal.raise_signal(signal.SIGTERM)

    return [phase.also(on_step_end=end) for phase in phases]


def fit(cfg: DictConfig, folder: Path, stop: int = -1, resume: bool = False) -> tuple[Prepared, FitResult]:
    """Train as `cfg` says, stopped by a signal after step number `stop` of the run."""
    made = prepare(cfg)
    folder.mkdir(exist_ok=True)
    loggers = [build(section)(folder=folder) for section in cfg.logger.values()]
    parts = (build(cfg.optimizer), build(cfg.scheduler), loggers, folder, stopped(made.phases, stop))
    return made, build(cfg.trainer).fit(made.model, made.task, made.loaders, *parts, resume=resume)


def weights_of(made: Prepared) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in made.model.state_dict().items()}


def assert_resumes(cfg: DictConfig, folder: Path, stops: Sequence[int]) -> None:
    """Stopped after any of these steps and resumed, a run has the bits of one that nothing happened to."""
    whole, result = fit(cfg, folder / "whole")
    for stop in stops:
        with pytest.raises(Interrupted, match="SIGTERM in phase"):
            fit(cfg, folder / f"parts{stop}", stop=stop)
        parts, resumed = fit(cfg, folder / f"parts{stop}", resume=True)
        assert (resumed.history, resumed.test) == (result.history, result.test), f"step {stop}"
        found = weights_of(parts)
        assert all(torch.equal(value, found[name]) for name, value in weights_of(whole).items()), f"step {stop}"
        assert_same_run(folder / f"parts{stop}", folder / "whole")


def assert_same_run(one: Path, other: Path) -> None:
    """The same bits in the files of two runs: weights, best weights, history."""
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    for name in ("best.pt", "checkpoint.pt"):
        a, b = (torch.load(folder / name, weights_only=True) for folder in (one, other))
        a, b = (file.get("model", file) for file in (a, b))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), name
