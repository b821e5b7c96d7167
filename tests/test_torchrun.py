"""`torchrun --nproc-per-node 2 train.py …`: one result, killed and resumed to the same bits, mistakes said once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = (
    "dataset=csl dataset.fold=0 model.num_layers=1 model.hidden_dim=24 model.mixer.dropout=0 trainer.max_epochs=12 "
    "trainer.checkpoint_every=0.2 trainer.progress=false logger=[csv] preset=none encoding.rwse.dim=4 resume=auto"
).split()


def torchrun(home: Path, *overrides: str, processes: int = 2) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["train.py", *SMALL, f"out={home}/runs", f"data.root={home}/data", *overrides]
    log = (home / "log").open("w")
    return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finish(home: Path, *overrides: str, processes: int = 2) -> tuple[int, str]:
    """Exit code and everything printed."""
    code = torchrun(home, *overrides, processes=processes).wait(300)
    return code, (home / "log").read_text()


def workers(launcher: subprocess.Popen) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(launcher.pid)], capture_output=True, text=True).stdout
    return [int(pid) for pid in listed.split()]


@pytest.mark.slow
def test_one_result_and_killed_and_resumed_the_same_bits(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("whole", "killed", "alone")]
    for home in homes:
        home.mkdir()
    code, log = finish(homes[0])
    assert code == 0, log
    assert log.count("test accuracy") == 1, "rank 0 alone tells"

    launcher = torchrun(homes[1])
    while not list(homes[1].glob("runs/*/*/best.pt")):
        assert launcher.poll() is None, (homes[1] / "log").read_text()
        time.sleep(0.01)
    os.kill(workers(launcher)[-1], signal.SIGKILL)
    assert launcher.wait(60) != 0, "the other process and torchrun end too"
    assert not list(homes[1].glob("runs/*/*/result.json")) or "complete" not in status(homes[1])
    code, log = finish(homes[1])
    assert code == 0, log
    assert "Continuing" in log

    assert finish(homes[2], processes=1)[0] == 0
    files = [list(home.glob("runs/*/*/metrics.csv")) for home in homes]
    assert [len(found) for found in files] == [1, 1, 1], "one folder each"
    whole, killed, alone = (found[0].read_text() for found in files)
    assert killed == whole
    for one, other in zip(rows(alone), rows(whole), strict=True):
        assert other == pytest.approx(one, rel=0.02, abs=0.02), "single precision"
    assert status(homes[0]) == status(homes[1]) == "complete"


def status(home: Path) -> str:
    (path,) = home.glob("runs/*/*/result.json")
    return json.loads(path.read_text())["status"]


def rows(table: str) -> list[list[float]]:
    return [[float(value) for value in line.split(",")] for line in table.splitlines()[1:]]


@pytest.mark.slow
def test_a_mistake_is_said_once(tmp_path: Path) -> None:
    code, log = finish(tmp_path, "model.hidden_dim=25")
    assert code != 0
    assert log.count("error: ") == 1, log
    code, log = finish(tmp_path, "trainer.cudagraph=true", "trainer.pad=2")
    assert "works in one process" in log
