"""The queue of experiments: every job composes, what is complete is passed over, a lock keeps others away."""

import json
import os
from pathlib import Path

import pytest
import yaml

import gnnlab
from experiments import background
from experiments.background import HERE, Job, expand

JOBS = yaml.safe_load((HERE / "background.yaml").read_text())


@pytest.mark.parametrize("name", JOBS)
def test_every_job_composes(name: str, tmp_path: Path) -> None:
    job = Job(name, **JOBS[name], out=tmp_path, overrides=[])
    assert gnnlab.compose(*next(expand(job.words)))


def test_a_list_of_values_is_expanded_as_hydra_does() -> None:
    rows = list(expand("model=gcn,gin encoding=[rwse,lappe],[] seed=0,1 out=here".split()))
    assert len(rows) == 8
    assert rows[0] == ["model=gcn", "encoding=[rwse,lappe]", "seed=0", "out=here"]


def test_complete_runs_are_known_by_their_hash(tmp_path: Path) -> None:
    job = Job("csl", "dataset=csl model=gin seed=0,1", 1, 1, tmp_path, [])
    assert job.states() == [False] * 10  # five folds each
    cfg = gnnlab.compose("dataset=csl", "model=gin")
    folder = tmp_path / "csl" / f"csl-gin-{gnnlab.config.config_hash(cfg)}" / "seed1.fold3"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 1")
    (folder / "result.json").write_text(json.dumps({"status": "complete"}))
    assert [index for index, done in enumerate(job.states()) if done] == [8]


def test_a_job_belongs_to_one_process(tmp_path: Path) -> None:
    job = Job("csl", "dataset=csl", 1, 1, tmp_path, [])
    lock = job.lock()
    assert lock is not None
    assert job.locked
    os.close(lock)
    assert not job.locked


def test_a_complete_job_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    job = Job("csl", "dataset=csl", 1, 1, tmp_path, [])
    monkeypatch.setattr(Job, "states", lambda self: [True])
    monkeypatch.setattr(background.subprocess, "Popen", None)
    assert background.work([job], 2, end=float("inf")) == 0
    assert "csl: 1 of 1 runs are there; 0 s for all" in capsys.readouterr().out
