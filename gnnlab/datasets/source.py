"""Where raw files come from: the data folder, else a mirror of it, else PyG's own download.

A mirror is a folder laid out as the roots of PyG's loader classes: `ZINC/raw/train.pickle`,
`HeterophilousGraphDataset/minesweeper/raw/minesweeper.npz`, …
"""

import gzip
import logging
import os
import pickle
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from gnnlab.cache import Cache, locked
from gnnlab.errors import UsageError
from gnnlab.files import replacing

log = logging.getLogger(__name__)
T = TypeVar("T")


class DataSource:
    """Raw files and the cache, under `root`.

    Missing raw files are copied from `mirror`, or downloaded if `download` allows it.
    """

    def __init__(self, root: str = "data", mirror: str | None = None, download: bool = True) -> None:
        self.root = Path(root)
        self.mirror = Path(mirror) if mirror else None
        self.download = download

    @property
    def cache(self) -> Cache:
        """The cache of prepared data and encodings, `root/cache`."""
        return Cache(self.root / "cache")

    def raw(self, home: str, files: Sequence[str], fetch: Callable[[Path], object]) -> "RawFiles":
        """The `files` of PyG's dataset root `home`, all present.

        `fetch(folder)` downloads them into a folder laid out as `home`. Raises `UsageError` where they
        are not available.
        """
        raw = RawFiles(self.root / home, tuple(files))
        if raw.missing():
            try:
                with locked(self.root / f"{home}.lock"):
                    self._copy(raw, home)
                    if raw.missing():
                        self._fetch(raw, fetch)
            except OSError as error:
                raise UsageError(
                    f"Cannot write to {raw.folder}: {error}. Choose another folder, data.root=…"
                ) from error
        return raw

    def _copy(self, raw: "RawFiles", home: str) -> None:
        for file in raw.missing():
            if self.mirror and (self.mirror / home / file).is_file():
                place = raw.folder / file
                place.parent.mkdir(parents=True, exist_ok=True)
                with replacing(place) as draft:
                    shutil.copyfile(self.mirror / home / file, draft)

    def _fetch(self, raw: "RawFiles", fetch: Callable[[Path], object]) -> None:
        if not self.download:
            raise self._not_found(raw, "Downloading is switched off (data.download=false)")
        raw.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=raw.folder, prefix="download-") as folder:
            draft = RawFiles(Path(folder), raw.files)
            for file in draft.files:
                (draft.folder / file).parent.mkdir(parents=True, exist_ok=True)
            log.info("Downloading %s.", raw.folder)
            try:
                with _quiet(), _network_timeout(20):
                    fetch(draft.folder)
            except Exception as error:  # whatever a missing network makes of PyG's loader
                raise self._not_found(raw, f"The download failed ({error})") from error
            if draft.missing():
                raise self._not_found(raw, f"The download had no {', '.join(draft.missing())}")
            for file in raw.missing():
                (raw.folder / file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(draft.folder / file, raw.folder / file)

    def _not_found(self, raw: "RawFiles", reason: str) -> UsageError:
        mirror = f"The mirror {self.mirror} does not have them. " if self.mirror else ""
        return UsageError(
            f"Raw files are missing in {raw.folder.resolve()}: {', '.join(raw.missing())}. {mirror}{reason}. "
            "Put them there, or name a folder laid out like data.root that has them, with data.mirror=… or the "
            "environment variable GNNLAB_MIRROR. dataset=csl and dataset=pattern need no files."
        )


@dataclass(frozen=True)
class RawFiles:
    """The raw `files` of one of PyG's datasets, relative to its root `folder`."""

    folder: Path
    files: tuple[str, ...]

    def missing(self) -> list[str]:
        """The files that are not there."""
        return [file for file in self.files if not (self.folder / file).is_file()]

    def state(self) -> dict[str, Any]:
        """Size and time of each file and the version of PyG that reads them, for a cache key."""
        stats = {file: (self.folder / file).stat() for file in self.files}
        sizes = {file: [stat.st_size, stat.st_mtime_ns] for file, stat in stats.items()}
        return {"torch_geometric": version("torch_geometric"), **sizes}

    def read(self, make: Callable[[str], T], check: Callable[[Path], object]) -> T:
        """`make(root)`, with one of PyG's loader classes; its processed files are thrown away.

        Raises `UsageError` with the name of the first file on which `check` fails, if `make` does.
        """
        with tempfile.TemporaryDirectory() as root:
            for file in self.files:
                link = Path(root, file)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to((self.folder / file).resolve())
            try:
                with _quiet():
                    return make(root)
            except UsageError:
                raise
            except Exception as error:  # whatever a damaged file makes of PyG's loader
                raise self._unreadable(error, check) from error

    def _unreadable(self, error: Exception, check: Callable[[Path], object]) -> UsageError:
        culprit = self.folder
        for path in (self.folder / file for file in self.files):
            try:
                check(path)
            except Exception as found:
                culprit, error = path, found
                break
        reason = f"{type(error).__name__}: {error}"
        return UsageError(f"{culprit} cannot be read ({reason}). Replace it, or delete it to have it fetched again.")


def download_only(dataset: Any, **attributes: object) -> Callable[[Path], None]:
    """The download of one of PyG's loader classes into a folder, without its processing."""

    def fetch(folder: Path) -> None:
        loader = dataset.__new__(dataset)
        vars(loader).update(root=str(folder), **attributes)
        loader.download()

    return fetch


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, which must end with a line break: `ValueError` where it was cut short."""
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        raise ValueError("it was cut short: the last line has no end")
    return text.splitlines()


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, by name."""
    with path.open("rb") as file, np.load(file) as arrays:  # NumPy leaves a damaged one open
        return dict(arrays)


def check_file(path: Path) -> None:
    """Fails where a file alone shows damage: a text cut short, an archive, tensors or a pickle that cannot be read.

    Pickles are only opened where a loader of PyG's opens them too.
    """
    if path.suffix == ".npz":
        read_arrays(path)
    elif path.suffix == ".gz":
        with gzip.open(path) as file:
            while file.read(1 << 24):
                pass
    elif path.suffix == ".pt":
        torch.load(path, weights_only=True)
    elif path.suffix in (".txt", ".csv", ".index"):
        read_lines(path)
    else:
        pickle.loads(path.read_bytes(), encoding="latin1")


@contextmanager
def _quiet() -> Iterator[None]:
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
