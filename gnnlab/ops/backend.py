"""Which implementation serves an op: a compiled kernel, or plain torch.

`auto` (the default) takes the kernels where they are available and says so once where they are not; `fused`
insists on them; `reference` leaves them alone. Nothing is compiled before the first op is called on a kind of
device, and an op without a kernel for that device (GPUs have torch's own optimizers, say) is plain torch's.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor

from gnnlab.errors import UsageError
from gnnlab.ops.build import library
from gnnlab.ops.toolchain import OLDEST_GPU, BuildError

log = logging.getLogger(__name__)

Mode = Literal["auto", "fused", "reference"]

_mode: Mode = "auto"
_missing: dict[str, str] = {}  # kind of device → why its library is not loaded; "" where it is
_told: set[str] = set()
_serves: dict[tuple[str, str], bool] = {}  # op and kind of device → whether a kernel does
_on_load: list[Callable[[], object]] = []


def use(mode: Mode) -> None:
    """Choose for the whole process. Raises `UsageError` for another word, or for `fused` where they cannot be built."""
    global _mode
    if mode not in get_args(Mode):
        raise UsageError(f"ops={mode} is none of {', '.join(get_args(Mode))}.")
    if mode == "fused" and (reason := _reason("cpu")):
        raise UsageError(f"ops=fused: {reason}. ops=auto runs on plain torch instead.")
    _mode = mode
    _serves.clear()


@contextmanager
def using(mode: Mode) -> Iterator[None]:
    """Within it, as after `use(mode)`; then as before."""
    before, serves = _mode, dict(_serves)
    use(mode)
    try:
        yield
    finally:
        use(before)
        _serves.update(serves)


def mode() -> Mode:
    """What `use` chose."""
    return _mode


def load(device: str = "cpu") -> bool:
    """Whether there are kernels for a kind of device; the first call builds and loads them."""
    return not _reason(device)


def fused(x: Tensor, op: str) -> bool:
    """Whether a kernel serves `op` on tensors like `x`; within a transform of `torch.func`, none does."""
    if torch._C._are_functorch_transforms_active():
        return False
    return x.dtype in (torch.float32, torch.float64, torch.bfloat16) and serves(op, x.device.type)


@torch.compiler.assume_constant_result
def serves(op: str, device: str) -> bool:
    """Whether a kernel serves `op` on a kind of device; says so where none does for the first time."""
    if (op, device) not in _serves:
        if _mode != "reference" and (reason := _reason(device)):
            _complain(device, reason)
        _serves[op, device] = _mode != "reference" and not why_not(op, device)
    return _serves[op, device]


def _complain(device: str, reason: str) -> None:
    """A kind of device has no library: an error where that was insisted on, else one notice."""
    if _mode == "fused":
        raise UsageError(f"ops=fused on {device}: {reason}. ops=auto runs on plain torch instead.")
    if device not in _told and os.environ.get("RANK", "0") == "0":
        log.warning("The fused ops are not available on %s, plain torch serves instead: %s.", device, reason)
    _told.add(device)


def why_not(op: str, device: str) -> str:
    """Why no kernel serves an op on a kind of device ("cpu", "cuda"); empty where one does."""
    if reason := _reason(device):
        return reason
    if device == "cuda" and torch.cuda.is_available() and torch.cuda.get_device_capability() < OLDEST_GPU:
        return "this GPU is older than compute capability {}.{}".format(*OLDEST_GPU)
    has = torch._C._dispatch_has_kernel_for_dispatch_key(f"gnnlab::{op}", device.upper())
    return "" if has else "no kernel is written for it"


def served() -> str:
    """What has served the ops called until now: "fused on cpu", or "fused on cpu (…); reference on cpu (…)"."""
    kinds: dict[str, list[str]] = {}
    for (op, device), yes in sorted(_serves.items()):
        kinds.setdefault(f"{'fused' if yes else 'reference'} on {device}", []).append(op)
    if len(kinds) < 2:
        return "".join(kinds)
    return "; ".join(f"{kind} ({', '.join(ops)})" for kind, ops in kinds.items())


def on_load(register: Callable[[], object]) -> None:
    """Call `register` once the ops are declared: now, if they are."""
    _on_load.append(register)
    if _missing.get("cpu") == "":
        register()


def _reason(device: str) -> str:
    """Build and load the library for a kind of device, once; why there is none, or nothing."""
    if device not in _missing:
        _missing[device] = _try_to_load(device)
    return _missing[device]


def _try_to_load(device: str) -> str:
    if device != "cpu" and (reason := _reason("cpu")):  # the library for the CPU declares the ops
        return reason
    try:
        try:
            torch.ops.load_library(library(device))
        except OSError:  # built where other libraries were
            torch.ops.load_library(library(device, anew=True))
    except BuildError as error:
        return str(error)
    except OSError as error:
        return f"the compiled library does not load ({error.__cause__ or error})"
    for register in _on_load if device == "cpu" else []:
        register()
    return ""
