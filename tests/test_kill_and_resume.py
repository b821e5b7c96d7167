"""A run killed with `kill -9` at random instants, each time resumed, ends with the bits of the undisturbed run."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parents[1]


def start(arguments: list[str], out: Path) -> subprocess.Popen:
    command = [sys.executable, "train.py", *arguments, f"out={out}", "resume=auto", "trainer.checkpoint_every=0.2"]
    log = (out.parent / f"{out.name}.log").open("a")
    return subprocess.Popen(command, cwd=HERE, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finish(arguments: list[str], out: Path) -> Path:
    process = start(arguments, out)
    assert process.wait() == 0, (out.parent / f"{out.name}.log").read_text()[-2000:]
    (folder,) = out.glob("*/*")
    return folder


def killed(arguments: list[str], out: Path, kills: int, longest: float) -> int:
    """Kill up to `kills` times, each within `longest` seconds of the first sign of training; how often it was done."""
    for done in range(kills):
        process = start(arguments, out)
        while process.poll() is None and not list(out.glob("*/*/checkpoint.pt")):
            time.sleep(0.01)
        time.sleep(random.uniform(0, longest))
        if process.poll() is not None:
            return done
        process.kill()
        process.wait()
    return kills


def assert_same_bits(one: Path, other: Path) -> None:
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    for name in ("best.pt", "checkpoint.pt"):
        a, b = (torch.load(folder / name, weights_only=True) for folder in (one, other))
        a, b = (state.get("model", state) for state in (a, b))
        assert a.keys() == b.keys()
        for key in a:
            assert torch.equal(a[key], b[key]), f"{name}: {key}"


CSL = "dataset=csl dataset.fold=0 trainer.max_epochs=25 model.num_layers=2 model.mixer.dropout=0.3 logger=[csv]".split()
ZINC = (
    "model=gps dataset=zinc trainer.max_epochs=6 scheduler.warmup=1 model.num_layers=2 model.hidden_dim=40 "
    "encoding.rwse.dim=16 trainer.ema=0.99"
).split()


def test_csl_killed_twice(tmp_path):
    arguments = [*CSL, f"data.root={tmp_path}/data"]
    undisturbed = finish(arguments, tmp_path / "undisturbed")
    assert killed(arguments, tmp_path / "killed", kills=2, longest=6) >= 1
    assert_same_bits(undisturbed, finish(arguments, tmp_path / "killed"))


@pytest.mark.slow
def test_zinc_killed_thirty_times(tmp_path, mirror):
    arguments = [*ZINC, f"data.root={tmp_path}/data", f"data.mirror={mirror}"]
    undisturbed = finish(arguments, tmp_path / "undisturbed")
    assert killed(arguments, tmp_path / "killed", kills=30, longest=9) == 30
    assert_same_bits(undisturbed, finish(arguments, tmp_path / "killed"))
