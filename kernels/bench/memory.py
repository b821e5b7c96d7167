"""`python -m kernels.bench.memory WORKLOAD ours|PyG`: the most memory that two training steps add to a process.

Model and batch are there before; the peak is the kernel's own count, set back to now before the steps.
"""

import subprocess
import sys
from pathlib import Path

import torch

from kernels.bench.measure import SETTINGS, Row
from kernels.bench.workloads import WORKLOADS


def resident(key: str) -> float:
    """MB of this process: "VmRSS" now, "VmHWM" at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(key))


def row() -> Row:
    """One process for each side."""
    name = "gps-peptides"
    command = [sys.executable, "-m", "kernels.bench.memory", name]
    rest = [str(torch.get_num_threads()), *(["--quick"] if SETTINGS.quick else [])]
    used = {}
    for side in ("ours", "PyG"):
        done = subprocess.run([*command, side, *rest], capture_output=True, text=True, check=True)
        used[side] = float(done.stdout.splitlines()[-1])
    return Row(WORKLOADS[name].name, "step", "peak memory", "MB", used.pop("ours"), used)


def main() -> None:
    from kernels.bench.models import steps

    name, side, threads, *quick = sys.argv[1:]
    SETTINGS.quick = bool(quick)
    torch.set_num_threads(int(threads))
    step = steps(WORKLOADS[name])[side]
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    step()
    step()
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main()
