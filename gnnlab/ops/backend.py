"""Which implementation serves an op: the compiled kernels, or plain torch.

`auto` (the default) takes the kernels where they can be had and says so once where they cannot; `fused`
insists on them; `reference` leaves them alone. Nothing is compiled before the first op is called.
"""

import logging
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from gnnlab.errors import UsageError
from gnnlab.ops.build import BuildError, library

log = logging.getLogger(__name__)

Mode = Literal["auto", "fused", "reference"]

_mode: Mode = "auto"
_loaded: bool | None = None
_on_load: list[Callable[[], None]] = []


def use(mode: Mode) -> None:
    """Choose for the whole process. Raises `UsageError` for another word, or for `fused` where they cannot be built."""
    global _mode
    if mode not in get_args(Mode):
        raise UsageError(f"ops={mode!r} is none of {', '.join(get_args(Mode))}.")
    _mode = mode
    if mode == "fused" and not load():
        raise UsageError(f"ops=fused: {why()}; ops=auto runs on plain torch instead.")


def mode() -> Mode:
    """What `use` chose."""
    return _mode


def load() -> bool:
    """Whether the library is loaded; builds and loads it on the first call."""
    global _loaded
    if _loaded is None:
        try:
            torch.ops.load_library(library())
            for register in _on_load:
                register()
            _loaded = True
        except (BuildError, OSError) as error:
            _loaded = False
            _reason.append(str(error))
            log.warning("The fused ops are not available (%s); plain torch serves instead.", error)
    return _loaded


_reason: list[str] = []


def why() -> str | None:
    """Why the library is not there; None where it is, or where nothing asked for it yet."""
    return _reason[0] if _reason else None


@torch.compiler.assume_constant_result
def _serves(device: str) -> bool:
    if _mode == "reference" or not load():
        return False
    return device == "cpu" or torch._C._dispatch_has_kernel_for_dispatch_key("gnnlab::gine", device.upper())


def fused(x: Tensor) -> bool:
    """Whether kernels serve an op on tensors like `x`."""
    return x.dtype in (torch.float32, torch.float64, torch.bfloat16) and _serves(x.device.type)


def on_load(register: Callable[[], None]) -> None:
    """Call `register` once the library is loaded: now, if it is."""
    _on_load.append(register)
    if _loaded:
        register()
