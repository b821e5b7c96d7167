"""The libraries of compiled kernels: built once for each source, torch, compiler and processor, and kept.

One is `<cache>/<key>/<device>-<tag>-<digest>.so`. The key stands for sources, torch and processor, the tag for
compilers and flags (a machine without a compiler takes a library of any tag), and the digest is the file's own,
so that a damaged one is found out. Processes that want it at the same time wait for the one that builds.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import torch
from filelock import FileLock

from gnnlab.ops.toolchain import BuildError, compile_into, identity, processor, sources


def library(device: str, anew: bool = False) -> Path:
    """The library for a kind of device, compiled now if there is none that is whole, or `anew`.

    Raises `BuildError`.
    """
    try:
        folder = home()
        try:
            name = f"{device}-{_digest(identity(device).encode())[:8]}"
        except BuildError:
            if not anew and (found := _whole(folder, f"{device}-*")):
                return found
            raise
        if not anew and (found := _whole(folder, name)):
            return found
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{device}.lock"):
            return (None if anew else _whole(folder, name)) or _build(folder, name, device)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home, or there are no locks
        raise BuildError(f"a compiled library cannot be kept ({error}); name a folder in XDG_CACHE_HOME") from error


def home() -> Path:
    """The folder of the libraries for these sources, this torch and this processor."""
    files = [f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes() for path in sources("**/*")]
    key = _digest(b"\0".join([*files, torch.__version__.encode(), processor().encode()]))
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gnnlab" / "kernels" / key


def _whole(folder: Path, name: str) -> Path | None:
    """A library that is what its name says."""
    paths = sorted(folder.glob(f"{name}-*.so"))
    return next((path for path in paths if path.stem.endswith(_digest(path.read_bytes()))), None)


def _build(folder: Path, name: str, device: str) -> Path:
    report = folder / f"{name}.log"
    for old in [*folder.glob(f"{name}-*.so"), *folder.glob(report.name)]:
        old.unlink()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = compile_into(Path(scratch), device, report)
        path = folder / f"{name}-{_digest(made.read_bytes())}.so"
        os.replace(made, path)
    return path


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
