"""The content-addressed cache on disk: what is computed once from data and parameters is kept.

An entry is a folder `<root>/<kind>/<hash of the key>` with `data.pt` (tensors) and `key.json` (the key
and a checksum). It is written beside its place and renamed into it, under a lock, so that readers see
all of it or nothing, and processes that want the same entry compute it once. Nothing here can lose
a computed result: where an entry cannot be stored, a notice says so and the run goes on. What code
without a source file computes (a notebook's) is not kept: nothing would tell that the code changed.
"""

import hashlib
import inspect
import json
import logging
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from gnnlab.packed import Packed

log = logging.getLogger(__name__)

Tensors = dict[str, Any]
"""Tensors by name, or dictionaries of them."""

Code = Sequence[type | Callable]
"""The classes and functions that compute an entry."""


class Cache:
    """Tensors under `root`, found by a kind (a readable name) and a JSON key (all they depend on)."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def tensors(self, kind: str, key: Mapping[str, Any], build: Callable[[], Tensors], code: Code = ()) -> Tensors:
        """The entry for `key` and `code`; computed by `build` and stored where there is none, or a damaged one."""
        try:
            key = {**key, "code": source_hash(*code)}
        except (KeyError, OSError, TypeError):
            log.info("%s is not kept for the next run: its code lies in no file.", kind)
            return build()
        text = json.dumps(key, sort_keys=True)
        folder = self.root / kind / hashlib.sha256(text.encode()).hexdigest()[:16]
        if (found := _read(folder)) is not None:
            return found
        with locked(folder.with_suffix(".lock")):
            if (found := _read(folder)) is not None:
                return found
            if folder.exists():
                log.warning("The cache entry %s is damaged: it is made anew.", folder)
            result = build()
            try:
                _write(folder, key, result)
            except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
                reason = (str(error).splitlines() or [repr(error)])[0]
                log.warning("%s is not kept for the next run: cannot write %s (%s).", kind, folder, reason)
            return result

    def packed(
        self, kind: str, key: Mapping[str, Any], build: Callable[[], dict[str, Packed]], code: Code = ()
    ) -> dict[str, Packed]:
        """The same for the splits of a dataset."""

        def tensors() -> Tensors:
            return {
                split: {f.name: getattr(packed, f.name) for f in fields(Packed)} for split, packed in build().items()
            }

        key = {**key, "layout": [f.name for f in fields(Packed)]}
        return {split: Packed(**entry) for split, entry in self.tensors(kind, key, tensors, code).items()}


def source_hash(*parts: type | Callable) -> str:
    """A hash of the modules that define `parts` and what they inherit, without Python's own.

    Raises `KeyError`, `OSError` or `TypeError` where one has no file.
    """
    modules = {base.__module__ for part in parts for base in getattr(part, "__mro__", [part])}
    names = sorted(name for name in modules if name.split(".")[0] not in sys.stdlib_module_names)
    source = "\0".join(inspect.getsource(sys.modules[name]) for name in names)
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; go on without it where the file system has no locks or is read-only."""
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=2)
        except Timeout:
            log.warning("Waiting for another process that prepares %s.", path.with_suffix(""))
            lock.acquire()
    except (OSError, NotImplementedError):  # filelock raises the latter where the file system has no locks
        pass
    try:
        yield
    finally:
        lock.release()


def _read(folder: Path) -> Tensors | None:
    """The entry, mapped into memory; None where it is missing or damaged."""
    try:
        stored = json.loads((folder / "key.json").read_text(encoding="utf-8"))
        if _checksum(folder / "data.pt") != stored["crc32"]:
            return None
        return torch.load(folder / "data.pt", mmap=True, weights_only=True)
    except Exception:  # a missing file, or whatever a damaged one makes of its reader
        return None


def _write(folder: Path, key: Mapping[str, Any], result: Tensors) -> None:
    draft = folder.with_suffix(".draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        torch.save(_compact(result), draft / "data.pt")
        stored = {"key": key, "crc32": _checksum(draft / "data.pt")}
        (draft / "key.json").write_text(json.dumps(stored, sort_keys=True, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _compact(value: Any) -> Any:
    """Without the storage that a view does not use, which `torch.save` would write out whole."""
    if isinstance(value, Tensor):
        return value if value.untyped_storage().nbytes() == value.nbytes else value.clone()
    return {name: _compact(item) for name, item in value.items()}


def _checksum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            total = zlib.crc32(block, total)
    return total
