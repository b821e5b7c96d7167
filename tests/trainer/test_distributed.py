"""Two processes on the parts of every batch do what one does on the whole, and agree with each other."""

import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from linear_toy import run_as_process, toy_loaders

from gnnlab.errors import UsageError
from gnnlab.trainer import distributed
from tests.interrupted import assert_same_run


def launch(processes: ForkServerContext, folder: Path, world: int, plain: bool = False) -> list[BaseProcess]:
    """Start the toy on `world` processes."""
    return start(processes, world, run_as_process, folder, plain)


def start(processes: ForkServerContext, world: int, target: Callable, *args: object) -> list[BaseProcess]:
    """Call `target(*args, environment)` in `world` processes, with the environment that torchrun gives each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [processes.Process(target=target, args=(*args, {**common, "RANK": str(rank)})) for rank in range(world)]
    for process in started:
        process.start()
    return started


def finish(processes: list[BaseProcess]) -> list[int | None]:
    """Their exit codes."""
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def test_two_processes_equal_one(processes: ForkServerContext, tmp_path: Path) -> None:
    """Batches of 5 graphs are parts of 2 and 3, and the last batch of one graph is an empty part and a whole one."""
    for world in (1, 2):
        assert finish(launch(processes, tmp_path / str(world), world, plain=True)) == [0] * world
    paths = (tmp_path / "1/final0.pt", tmp_path / "2/final0.pt", tmp_path / "2/final1.pt")
    alone, first, second = (torch.load(path, weights_only=True) for path in paths)
    assert first["history"] == second["history"]
    for name, value in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-9, atol=1e-9)
    for one, two in zip(alone["history"], first["history"], strict=True):
        assert two == pytest.approx(one, rel=1e-9)
    assert (tmp_path / "2/metrics.csv").read_text().count("\n") == 1 + len(alone["history"])


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_and_they_resume(processes: ForkServerContext, tmp_path: Path) -> None:
    assert finish(launch(processes, tmp_path / "whole", 2)) == [0, 0]
    started = launch(processes, tmp_path / "parts", 2)
    while not (tmp_path / "parts/best.pt").exists():
        time.sleep(0.001)
    os.kill(started[1].pid or 0, signal.SIGTERM)
    assert finish(started) == [143, 143]
    assert finish(launch(processes, tmp_path / "parts", 2)) == [0, 0]
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_a_loader_without_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    distributed.check_parts(toy_loaders(1, 2))
    with pytest.raises(UsageError, match="2 processes, and the batches of 'train' are cut into 1: give ToyLoader its"):
        distributed.check_parts(toy_loaders())


@pytest.mark.parametrize("victim", [0, 1])
def test_the_death_of_one_process_ends_the_other(victim: int, processes: ForkServerContext, tmp_path: Path) -> None:
    started = launch(processes, tmp_path, 2)
    while not (tmp_path / "best.pt").exists():
        time.sleep(0.001)
    os.kill(started[victim].pid or 0, signal.SIGKILL)
    codes = finish(started)
    assert (codes[victim], codes[1 - victim]) == (-signal.SIGKILL, 1)
    assert f"Another process is gone (process {1 - victim} of 2)" in (tmp_path / "message.txt").read_text()
    assert finish(launch(processes, tmp_path, 2)) == [0, 0], "resumed"
