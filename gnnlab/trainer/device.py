"""The device of a run: its choice, determinism and memory."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from gnnlab.errors import UsageError
from gnnlab.trainer import distributed


def choose(name: str) -> torch.device:
    """The device called `name`; "auto" is the GPU if there is one. Each process of a node gets a GPU of its own.

    Only looks. Raises `UsageError` if it is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if gpus else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"trainer.device={name} is not a device; take auto, cpu, cuda or cuda:<number>.")
    if device.type == "cuda":
        device = torch.device("cuda", device.index or int(os.environ.get("LOCAL_RANK", "0")))
        if (device.index or 0) >= gpus:
            raise UsageError(f"trainer.device={name}: torch sees {gpus} GPUs here; take trainer.device=cpu or auto.")
    return device


def claim(name: str) -> torch.device:
    """The device called `name`, from here on the current one; its peak memory is counted anew."""
    device = choose(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return device


@contextmanager
def checked(deterministic: bool, detect_anomaly: bool) -> Iterator[None]:
    """Within it, torch refuses what is not bit-reproducible, and names the operation whose gradient is NaN."""
    before = torch.are_deterministic_algorithms_enabled()
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        with torch.autograd.set_detect_anomaly(detect_anomaly):
            yield
    finally:
        torch.use_deterministic_algorithms(before)


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, on the GPU or on the CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def peak_memory_mb(device: torch.device) -> float:
    """The most memory used since `claim`: of the GPU by tensors, of the CPU by the process; over all processes.

    Where the kernel cannot count anew, since the process began; NaN where it does not count.
    """
    used = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else _peak_of_the_process()
    return max(distributed.collect(used))


def _peak_of_the_process() -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
