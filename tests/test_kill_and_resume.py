"""A run killed with `kill -9` at random instants, each time resumed, ends with the bits of the undisturbed run."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.interrupted import assert_same_run

HERE = Path(__file__).parents[1]


def start(arguments: list[str], out: Path) -> subprocess.Popen:
    command = [sys.executable, "train.py", *arguments, f"out={out}", "resume=auto", "trainer.checkpoint_every=0.2"]
    log = (out.parent / f"{out.name}.log").open("a")
    return subprocess.Popen(command, cwd=HERE, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finish(arguments: list[str], out: Path) -> tuple[Path, float]:
    """Run to the end: the run's folder, and the seconds from its first checkpoint on."""
    process = start(arguments, out)
    began = wait_for_training(process, out)
    assert process.wait() == 0, (out.parent / f"{out.name}.log").read_text()[-2000:]
    (folder,) = out.glob("*/seed*")
    return folder, time.monotonic() - began


def wait_for_training(process: subprocess.Popen, out: Path) -> float:
    """Until a checkpoint is newer than the process; the time then."""
    began = time.time()
    while process.poll() is None and not any(path.stat().st_mtime > began for path in out.glob("*/*/checkpoint.pt")):
        time.sleep(0.01)
    return time.monotonic()


def killed(arguments: list[str], out: Path, times: int, seconds: float) -> bool:
    """Start and kill `times` times: mostly at random within `seconds` of training, else while it prepares.

    False if the run has ended before.
    """
    for life in range(times):
        process = start(arguments, out)
        if life == 0 or random.random() < 0.8:
            wait_for_training(process, out)
        time.sleep(random.uniform(0, seconds))
        if process.poll() is not None:
            return False
        process.kill()
        process.wait()
    return True


CSL = "dataset=csl dataset.fold=0 trainer.max_epochs=40 model.num_layers=2 model.mixer.dropout=0.3 logger=[csv]".split()
ZINC = (
    "model=gps dataset=zinc trainer.max_epochs=25 scheduler.warmup=1 model.num_layers=2 model.hidden_dim=40 "
    "encoding.rwse.dim=16 trainer.ema=0.99"
).split()


def check(arguments: list[str], folder: Path, kills: int) -> None:
    """Lives too short to finish the run together; shorter ones where the machine has become faster meanwhile."""
    undisturbed, seconds = finish(arguments, folder / "undisturbed")
    life = 0.8 * seconds / kills
    while not killed(arguments, folder / "killed", kills, life):
        shutil.rmtree(folder / "killed")
        life /= 2
    assert_same_run(undisturbed, finish(arguments, folder / "killed")[0])


def test_csl_killed_once(tmp_path):
    check([*CSL, f"data.root={tmp_path}/data"], tmp_path, kills=1)


@pytest.mark.slow
def test_zinc_killed_thirty_times(tmp_path, mirror):
    check([*ZINC, f"data.root={tmp_path}/data", f"data.mirror={mirror}"], tmp_path, kills=30)
