"""The status says of each run what its files say, and how long it takes at its own pace."""

import json
import os
import socket
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gnnlab.results.__main__ import main
from gnnlab.results.history import history
from gnnlab.results.runs import load
from gnnlab.results.status import show, span, status
from tests.results.histories import epochs

HERE = socket.gethostname()


def unfinished(folder: Path, done: int, wall: float, pid: int, host: str = HERE) -> Path:
    """Make a run of `done` epochs written at second 10,000, held by a process that began `wall` seconds before."""
    (folder / "result.json").unlink()
    epochs(folder, [1.0 / (i + 1) for i in range(done)])
    since = datetime.fromtimestamp(10_000 - wall, timezone.utc).isoformat(timespec="milliseconds")
    (folder / "holder").write_text(f"process {pid} on {host} since {since}\n")
    for name in ("metrics.csv", "timing.csv"):
        os.utime(folder / name, (10_000, 10_000))
    return folder


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_words(make_run, tmp_path):
    epochs(make_run(0.1, seed=0), [0.3, 0.2, 0.25])
    unfinished(make_run(0.1, seed=1), 2, 6, os.getpid())
    unfinished(make_run(0.1, seed=2), 2, 6, gone())
    (make_run(0.1, seed=3) / "result.json").write_text(json.dumps({"status": "failed", "reason": "Loss is NaN.\nMore"}))
    (make_run(0.1, seed=4) / "result.json").unlink()
    (make_run(0.1, seed=5) / "result.json").write_text(json.dumps({"status": "given up", "reason": "Behind."}))
    states = {state.run.config["seed"]: state for state in status(load(tmp_path), now=10_000)}
    assert {seed: state.word for seed, state in states.items()} == {
        0: "complete",
        1: "running",
        2: "stopped",
        3: "failed",
        5: "given up",
        4: "stopped",
    }
    assert [states[seed].epoch for seed in range(5)] == [3, 2, 2, 0, 0]
    assert states[0].best == "val/mae 0.2"
    text = show(list(states.values()))
    assert "Loss is NaN." in text
    assert "6 runs: 1 complete, 1 given up, 2 stopped, 1 failed, 1 running; 3 s until the running ones end." in text


def test_the_epochs_are_those_of_all_phases(make_run, tmp_path):
    folder = unfinished(make_run(0.1), 5, 10, os.getpid())
    (folder / "phases.json").write_text(json.dumps([["teacher", 3], ["train", 3], ["train", 3]]))
    (state,) = status(load(tmp_path), now=10_000)
    assert (state.epoch, state.epochs) == (5, 9)
    assert state.left == pytest.approx(4 * state.pace)


def test_a_failed_run_that_is_on_again_is_running(make_run, tmp_path):
    folder = unfinished(make_run(0.1), 1, 3, os.getpid())
    (folder / "result.json").write_text(json.dumps({"status": "failed", "reason": "out of memory"}))
    assert status(load(tmp_path))[0].word == "running"


def test_pace_counts_evaluation_and_only_this_process(make_run, tmp_path):
    fresh = unfinished(make_run(0.1, trainer__max_epochs=10), 4, wall=12, pid=os.getpid())
    (state,) = status(load(tmp_path), now=10_000)
    assert (state.pace, state.left) == (3.0, 18.0)  # 12 s for 4 epochs, of which 8 s are training
    unfinished_again = (fresh / "holder").read_text().split("since")[0]
    since = datetime.fromtimestamp(10_000 - 5, timezone.utc).isoformat(timespec="milliseconds")
    (fresh / "holder").write_text(f"{unfinished_again}since {since}\n")
    (state,) = status(load(tmp_path), now=10_000)
    assert (state.pace, state.left) == (2.5, 15.0)  # of 4 epochs of 2 s, 2 fit into the 5 s since


@pytest.mark.parametrize(("silent", "word"), [(100, "running"), (700, "stopped")])
def test_a_run_elsewhere_is_judged_by_its_silence(make_run, tmp_path, silent, word):
    unfinished(make_run(0.1), 2, 6, pid=1, host="another")
    assert status(load(tmp_path), now=10_000 + silent)[0].word == word


def test_a_history_cut_short_ends_with_its_last_whole_line(make_run):
    folder = make_run(0.1)
    epochs(folder, [0.5, 0.4])
    with (folder / "metrics.csv").open("a") as file:
        file.write("2,0.3,0.")
    assert [row["val/mae"] for row in history(folder)] == [0.5, 0.4]
    (folder / "metrics.csv").write_bytes(b"\xff\xfe\n")
    assert history(folder) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(4.4, "4 s"), (600, "10 min"), (3 * 3600 + 290, "3 h 05 min"), (50 * 3600 + 60, "2 d 2 h"), (3599, "1 h 00 min")],
)
def test_spans(seconds, words):
    assert span(seconds) == words


def test_the_command_line(make_run, tmp_path, capsys):
    epochs(make_run(0.1), [0.2, 0.1, 0.3])
    assert main(["status", str(tmp_path)]) == 0
    assert "1 runs: 1 complete." in capsys.readouterr().out
    assert main(["status", str(tmp_path), "--watch", "0.01"]) == 0  # nothing runs, so it ends
    assert main(["status", str(tmp_path / "nowhere")]) == 2
