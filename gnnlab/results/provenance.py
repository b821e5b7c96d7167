"""Where a result comes from: the code that ran, the data it read, and what it ran on.

`code.json` holds what a run began with, so that one who goes on with it hears of what has changed since.
"""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

import gnnlab
from gnnlab.config import build
from gnnlab.config.hashing import decides
from gnnlab.config.sections import parts, plain
from gnnlab.config.source import Missing, find

PACKAGE = Path(gnnlab.__file__).parent


@cache
def code() -> dict[str, Any]:
    """The commit gnnlab runs from, whether its files differ from it, and a hash of its sources, the kernels' too."""
    from gnnlab.ops.toolchain import sources as kernels

    def git(*command: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(PACKAGE), *command], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    tracked = git("ls-files", "--error-unmatch", "__init__.py") is not None
    sources = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        sources.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for path in kernels("**/*"):
        sources.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return {
        "commit": git("rev-parse", "HEAD") if tracked else None,
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")) if tracked else None,
        "sources": sources.hexdigest(),
    }


def environment() -> dict[str, Any]:
    """What numbers may depend on besides the code: versions, device, threads, kernels; no names of hosts or users."""
    import torch
    import torch_geometric

    from gnnlab.ops import backend

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "ops": backend.served(),
        "world": int(os.environ.get("WORLD_SIZE", 1)),
    }


def beginning(cfg: DictConfig, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a run begins with: the code, files of the user's own that the config names, `data` (see `state`), place."""
    return {**code(), "own": _own(cfg), "data": data, "place": _place(cfg)}


def began(folder: Path) -> dict[str, Any]:
    """What the run in `folder` began with, as far as that is known."""
    try:
        found = json.loads((folder / "code.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def differing(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """The names of what is not what it was; none where that is not known."""
    return [] if then is None else [name for name in {**then, **now} if then.get(name) != now.get(name)]


def state(cfg: DictConfig) -> dict[str, Any]:
    """`Dataset.state` of the data; nothing of files that cannot be read, as loading them will say."""
    with suppress(OSError):
        return json.loads(json.dumps(build(cfg.dataset, source=build(cfg.data)).state()))
    return {}


def _own(cfg: DictConfig) -> dict[str, str]:
    """A hash of each file outside gnnlab and torch that a `_target_` is in, by the name of the module."""
    found = {}
    for path, part in parts(plain(cfg)):
        if decides(path) and part["_target_"].split(".")[0] not in ("gnnlab", "torch"):
            with suppress(Missing):
                definition = find(part["_target_"])
                if definition and definition.module.file:
                    content = definition.module.file.read_bytes()
                    found[definition.module.name] = hashlib.sha256(content).hexdigest()[:16]
    return found


def _place(cfg: DictConfig) -> dict[str, str]:
    """What the last bits depend on besides: the device's name, the ops asked for, the version of torch."""
    import torch

    device = str(OmegaConf.select(cfg, "trainer.device", default="auto"))
    on_gpu = torch.cuda.is_available() and device != "cpu"
    ops = str(OmegaConf.select(cfg, "ops", default="auto"))
    return {"device": torch.cuda.get_device_name() if on_gpu else _cpu(), "ops": ops, "torch": torch.__version__}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
