"""Sweeps from the command line: the same one again runs what is missing, killed or not, in one process or several."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = (
    "dataset=csl dataset.fold=0 model.num_layers=1 model.hidden_dim=24 trainer.progress=false logger=[csv] preset=none "
    "encoding.rwse.dim=4"
).split()


def sweep(tmp_path: Path, *overrides: str, base: Sequence[str] = SMALL) -> subprocess.Popen:
    command = [
        sys.executable,
        "train.py",
        "-m",
        *base,
        f"out={tmp_path}/runs",
        f"data.root={tmp_path}/data",
        *overrides,
    ]
    log = (tmp_path / "log").open("a")
    return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_the_same_sweep_again_runs_what_is_missing(tmp_path: Path) -> None:
    first = sweep(tmp_path, "seed=0,1,2", "trainer.max_epochs=2")
    while first.poll() is None and not list(tmp_path.glob("runs/*/seed0*/result.json")):
        time.sleep(0.01)
    first.kill()
    first.wait()
    done = {path: path.stat().st_mtime_ns for path in results(tmp_path)}
    assert sweep(tmp_path, "seed=0,1,2", "trainer.max_epochs=2").wait() == 0, (tmp_path / "log").read_text()
    assert sorted(path.parent.name for path in results(tmp_path)) == ["seed0.fold0", "seed1.fold0", "seed2.fold0"]
    assert all(path.stat().st_mtime_ns == then for path, then in done.items())


@pytest.mark.slow
def test_a_sweep_killed_five_times_ends_as_the_undisturbed_one(tmp_path: Path) -> None:
    keys = ("seed=range(0,24)", "trainer.max_epochs=6")
    homes = [tmp_path / name for name in ("undisturbed", "killed")]
    for home in homes:
        home.mkdir()
    assert sweep(homes[0], *keys).wait() == 0, (homes[0] / "log").read_text()
    for _ in range(5):
        done = len(results(homes[1]))
        process = sweep(homes[1], *keys)
        while len(results(homes[1])) == done:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 1))
        process.kill()
        process.wait()
        assert len(results(homes[1])) < 24, "the sweep ended before it was killed"
    assert sweep(homes[1], *keys).wait() == 0, (homes[1] / "log").read_text()
    log = (homes[1] / "log").read_text()
    assert len(results(homes[1])) == 24
    assert log.count("\ntest accuracy") - log.count("nothing left to run") == 24, "a job ran twice to its end"
    tables = [table(home / "runs", "test,val,last/train/loss") for home in homes]
    assert tables[0] == tables[1]


def results(home: Path) -> list[Path]:
    return list(home.glob("runs/*/*/result.json"))


def table(runs: Path, metrics: str) -> str:
    command = [sys.executable, "-m", "gnnlab.results", "table", str(runs), "--metric", metrics, "--costs", "parameters"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_jobs_in_processes_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs hydra-joblib-launcher")
    keys = ("seed=0,1", "optimizer=sgd", "optimizer.lr=1e-3,-1", "trainer.max_epochs=1", "hydra/launcher=joblib")
    assert sweep(tmp_path, *keys, "hydra.launcher.n_jobs=2").wait() == 1
    log = (tmp_path / "log").read_text()
    assert "(2)" in log, "the table of the sweep"
    assert log.count("failed: optimizer does not fit") == 2
    assert "Traceback" not in log


@pytest.mark.slow
def test_sparsifiers_shares_and_models_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "tiny.yaml").write_text("_target_: tests.composition.tiny.PlainNodes\ntarget: multiclass\n")
    quick = "allow=[tests] dataset=tiny encoding=[] trainer.max_epochs=1 model.hidden_dim=16 trainer.progress=false"
    axes = ("sparsifier=teddy,random", "sparsifier.keep=0.4,0.8", "model=gcn,gat")
    assert sweep(tmp_path, *axes, base=["--config-dir", str(tmp_path), *quick.split(), "logger=csv"]).wait() == 0
    log = (tmp_path / "log").read_text()
    assert len([line for line in log.splitlines() if line.startswith(("| gcn", "| gat", "| tiny"))]) == 8, log


@pytest.mark.slow
def test_a_search_from_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="a search needs Optuna")
    keys = ("trainer.max_epochs=2", "hydra/sweeper=tpe", "hydra.sweeper.trials=3", "optimizer.lr=interval(1e-4,1e-2)")
    assert sweep(tmp_path, *keys).wait() == 0, (tmp_path / "log").read_text()
    assert "3 complete. Best: trial" in (tmp_path / "log").read_text()
    assert len(results(tmp_path)) == 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [("sampler=foo", "tpe or random"), ("trials=many", "whole number"), ("trial=2", "hydra.sweeper.trials")],
)
def test_a_search_that_cannot_be_is_refused_in_a_line(tmp_path: Path, setting: str, message: str) -> None:
    pytest.importorskip("optuna", reason="a search needs Optuna")
    assert sweep(tmp_path, "hydra/sweeper=tpe", f"hydra.sweeper.{setting}", "seed=0,1").wait() == 2
    log = (tmp_path / "log").read_text()
    assert message in log
    assert "Traceback" not in log
