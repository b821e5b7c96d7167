"""Where a result comes from: the code that ran, and what it ran on."""

import hashlib
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import gnnlab

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


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
