"""The device of a run: its choice, determinism and memory."""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gnnlab.errors import UsageError
from gnnlab.trainer import distributed


def choose(name: str) -> torch.device:
    """The device called `name`; "auto" is the GPU if there is one. Each process of a node gets a GPU of its own.

    Raises `UsageError` if it is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if gpus else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"trainer.device={name} is not a device; take auto, cpu, cuda or cuda:<number>.") from None
    if device.type == "cuda":
        device = torch.device("cuda", device.index or int(os.environ.get("LOCAL_RANK", "0")))
        if (device.index or 0) >= gpus:
            raise UsageError(f"trainer.device={name}: torch sees {gpus} GPUs here; take trainer.device=cpu or auto.")
        torch.cuda.set_device(device)
        torch.cuda.reset_peak_memory_stats(device)
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
    """The most memory used so far: of the GPU by tensors, of the CPU by the whole process; over all processes."""
    if device.type == "cuda":
        used = torch.cuda.max_memory_allocated(device) / 2**20
    else:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return max(distributed.collect(used))
