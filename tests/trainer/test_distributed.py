"""Two processes on the parts of every batch do what one does on the whole, and agree with each other."""

import socket
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch
from linear_toy import run_as_process


def launch(processes: ForkServerContext, folder: Path, world: int) -> list[dict]:
    """Run the plain toy on `world` processes, as torchrun does; what each of them ended with."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        processes.Process(target=run_as_process, args=(folder, True, {**common, "RANK": str(rank)}))
        for rank in range(world)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0] * world
    return [torch.load(folder / f"final{rank}.pt", weights_only=True) for rank in range(world)]


def test_two_processes_equal_one(processes: ForkServerContext, tmp_path: Path) -> None:
    """Batches of 5 graphs are parts of 2 and 3, and the last batch of one graph is an empty part and a whole one."""
    (alone,), (first, second) = (launch(processes, tmp_path / str(world), world) for world in (1, 2))
    assert first["history"] == second["history"]
    for name, value in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-9, atol=1e-9)
    for one, two in zip(alone["history"], first["history"], strict=True):
        assert two == pytest.approx(one, rel=1e-9)
    assert (tmp_path / "2/metrics.csv").read_text().count("\n") == 1 + len(alone["history"])
