"""Which run stands for a configuration, seed and fold; and who works in its folder."""

import json
import os
import socket
from pathlib import Path

from gnnlab.results.folder import RunFolder
from gnnlab.results.holder import began, holder, sign
from gnnlab.results.runs import load, newest
from gnnlab.results.status import status

SINCE = "2026-01-01T00:00:00.000+00:00"


def stopped(folder: Path) -> Path:
    (folder / "result.json").unlink()
    return folder


def test_the_run_at_work_stands_before_one_that_failed(make_run, make_cfg, tmp_path):
    failure = {"status": "failed", "reason": "Loss is NaN.", "finished": "2026-01-01"}
    (make_run(0.1) / "result.json").write_text(json.dumps(failure))
    with RunFolder.open(make_cfg()):
        assert [run.folder.name for run in newest(load(tmp_path))] == ["seed0.2"]
        assert [state.word for state in status(load(tmp_path))] == ["running"]
    assert [run.folder.name for run in newest(load(tmp_path))] == ["seed0.2"]


def test_who_is_at_work_stands_before_the_newest(make_run, tmp_path):
    first, second = stopped(make_run(0.1)), stopped(make_run(0.1))
    sign(first, SINCE)
    assert [run.folder for run in newest(load(tmp_path))] == [first]
    (first / "holder").write_text(f"process {os.getpid()} on {socket.gethostname()} since {SINCE}\n1\n")
    assert [run.folder for run in newest(load(tmp_path))] == [second]


def test_the_tenth_is_newer_than_the_second(make_run, tmp_path):
    for _ in range(10):
        os.utime(stopped(make_run(0.1)) / "config.yaml", (10_000, 10_000))
    assert [run.folder.name for run in newest(load(tmp_path))] == ["seed0.10"]


def test_a_process_is_not_another_of_its_number(tmp_path):
    sign(tmp_path, SINCE)
    held = holder(tmp_path)
    assert held is not None
    assert (held.process, held.began, held.lives) == (os.getpid(), began(os.getpid()), True)
    words = (tmp_path / "holder").read_text().splitlines()[0]
    for second, lives in ((f"{held.began}0", False), ("", True)):  # it began at another time; that is not told
        (tmp_path / "holder").write_text(f"{words}\n{second}\n")
        assert getattr(holder(tmp_path), "lives", None) == lives
    for damaged in ("", "process 1 on", f"process x on y since {SINCE}", "process 1 on y since yesterday"):
        (tmp_path / "holder").write_text(damaged)
        assert holder(tmp_path) is None
