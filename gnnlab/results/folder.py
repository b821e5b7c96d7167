"""The folder of a run: where it lies, whether it can go on, and who works in it.

`out/<dataset>-<model>-<hash>/seed<k>[.fold<f>][.<n>]`: runs that differ only in seed and fold lie side by
side, and the n-th fresh run of the same thing ends in `.n`. A run is complete when its `result.json` says so.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from gnnlab.config.asked import asked
from gnnlab.config.hashing import UNSAID, completed, config_hash, decides
from gnnlab.config.sections import leaves, plain
from gnnlab.errors import UsageError
from gnnlab.files import write_text
from gnnlab.results.holder import holder, leave, sign
from gnnlab.results.provenance import began, beginning, differing
from gnnlab.results.runs import read, read_result

log = logging.getLogger(__name__)


def runs_of(cfg: DictConfig) -> list[Path]:
    """The folders of this configuration, seed and fold under `cfg.out`, oldest first (`fold: all`: of every fold)."""
    fold = OmegaConf.select(cfg, "dataset.fold")
    suffix = "" if fold is None else r"\.fold\d+" if fold == "all" else rf"\.fold{fold}"
    pattern = re.compile(rf"seed{cfg.seed}{suffix}(?:\.(\d+))?")
    found = [
        (int(match[1] or 1), path)
        for path in Path(cfg.out).glob(f"*-{config_hash(cfg)}/seed*")
        if (match := pattern.fullmatch(path.name)) and (path / "config.yaml").exists()
    ]
    return [path for _, path in sorted(found)]


@dataclass
class RunFolder:
    """A folder held by this process; a context manager that lets it go.

    `status` is what was found on opening: `fresh`, `unfinished` (go on from its checkpoint) or `complete`.
    """

    path: Path
    status: Literal["fresh", "unfinished", "complete"]
    lock: FileLock | None = None

    @classmethod
    def open(
        cls, cfg: DictConfig, resume: str = "never", data: Mapping[str, Any] = MappingProxyType({})
    ) -> "RunFolder":
        """The folder to run `cfg` in; several processes share the one that rank 0 opens.

        `resume`: `never` a fresh one; `auto` the newest of the same configuration, seed and fold, if any;
        or the path of one. `data`: its state now (`gnnlab.results.provenance.state`). Raises `UsageError` if the folder
        cannot be written, is in use, or is of another run or half a run of other data.
        """
        from gnnlab.trainer import distributed

        folder, found = None, None
        if distributed.rank() == 0:
            try:
                folder = cls._choose(cfg, resume, beginning(cfg, dict(data)))
                found = folder.path, folder.status
            except UsageError as mistake:
                found = mistake
            except OSError as problem:
                place = str(cfg.out if resume in ("never", "auto") else resume)
                found = UsageError(
                    f"Cannot write the run folder in {place!r}: {problem.strerror or problem}. "
                    "Make room or get permission there, or name another place with out=FOLDER."
                )
        found = distributed.collect(found)[0]
        if isinstance(found, UsageError):
            raise found
        assert found is not None
        return folder or cls(*found)

    @classmethod
    def _choose(cls, cfg: DictConfig, resume: str, now: dict[str, Any]) -> "RunFolder":
        if resume not in ("never", "auto"):
            return cls._resumed(Path(resume), cfg, now)
        if resume == "auto" and (runs := runs_of(cfg)):  # perhaps complete, where one may only read
            return cls._resumed(runs[-1], cfg, now)
        home = _home(cfg)
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock"):  # two that begin at once would else both find nothing, and both train
            runs = runs_of(cfg)
            if resume == "auto" and runs:
                return cls._resumed(runs[-1], cfg, now)
            return cls._fresh(cfg, home, runs, now)

    @classmethod
    def _fresh(cls, cfg: DictConfig, home: Path, runs: list[Path], now: dict[str, Any]) -> "RunFolder":
        if runs and (runs[-1] / "checkpoint.pt").exists() and read_result(runs[-1])["status"] != "complete":
            log.warning("%s is unfinished; this is a fresh run (resume=auto continues that one).", runs[-1])
        fold = OmegaConf.select(cfg, "dataset.fold")
        name = f"seed{cfg.seed}" + ("" if fold is None else f".fold{fold}")
        path = next(path for n in count(1) if _made(path := home / (name if n == 1 else f"{name}.{n}")))
        folder = cls(path, "fresh", _hold(path))
        write_text(path / "code.json", json.dumps(now, indent=2) + "\n")
        write_text(path / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
        return folder

    @classmethod
    def _resumed(cls, path: Path, cfg: DictConfig, now: dict[str, Any]) -> "RunFolder":
        _check(path, cfg)
        half = (path / "checkpoint.pt").exists() and read_result(path)["status"] != "complete"
        if half and (files := differing(began(path).get("data"), now["data"])):
            raise UsageError(
                f"The data ({', '.join(files)}) has changed since {path} began, and its result would be of neither. "
                "resume=never begins anew."
            )
        lock = None if read_result(path)["status"] == "complete" else _hold(path)
        complete = read_result(path)["status"] == "complete"  # perhaps just now, by the process that held it
        log.info("%s is complete: nothing left to run." if complete else "Continuing %s.", path)
        if complete or half:
            _tell(began(path), now, complete)
        else:
            write_text(path / "code.json", json.dumps(now, indent=2) + "\n")
        return cls(path, "complete" if complete else "unfinished", lock)

    @property
    def result(self) -> dict[str, Any]:
        """What `result.json` holds now."""
        return read_result(self.path)

    def close(self) -> None:
        """Let another process have the folder."""
        if self.lock:
            leave(self.path)
            self.lock.release()

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def short_name(cfg: DictConfig, group: str) -> str:
    """The option chosen for a group; where that is not known, the name of its class."""
    return asked(cfg).choices.get(group) or cfg[group]["_target_"].rsplit(".", 1)[-1].lower()


def _home(cfg: DictConfig) -> Path:
    """The folder of the runs of this configuration: the one there is, else a new one."""
    new = Path(cfg.out) / f"{short_name(cfg, 'dataset')}-{short_name(cfg, 'model')}-{config_hash(cfg)}"
    return min(new.parent.glob(f"*-{config_hash(cfg)}"), default=new)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _made(path: Path) -> bool:
    """Whether this call made the folder; False if it was there."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _hold(path: Path) -> FileLock:
    lock = FileLock(path / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        who = held.words if (held := holder(path)) else "another process"
        raise UsageError(f"{path} is in use by {who}. Wait for it, or start a run of its own (resume=never).") from None
    sign(path, now())
    return lock


def _tell(then: dict[str, Any], now: dict[str, Any], complete: bool) -> None:
    """Warn of what has changed since a run began; of the place only where one goes on."""
    code = "The code" if then.get("sources", now["sources"]) != now["sources"] else ""
    own, files = ", ".join(differing(then.get("own"), now["own"])), ", ".join(differing(then.get("data"), now["data"]))
    for what, kind in ((code, "code"), (own and f"Your {own}", "code"), (files and f"The data ({files})", "data")):
        if what:
            effect = f"it is of the earlier {kind}" if complete else "its result will be of both"
            log.warning("%s has changed since this run began: %s. resume=never begins anew.", what, effect)
    for name in differing(then.get("place"), now["place"]) if not complete else ():
        there, here = then["place"].get(name), now["place"].get(name)
        log.warning("This run began with %s %s and goes on with %s: last digits may differ.", name, there, here)


def _check(path: Path, cfg: DictConfig) -> None:
    """Raises `UsageError` where the run in `path` is not of `cfg`: its name may agree by chance, or after an edit."""
    there, here = (UNSAID | dict(leaves(config)) for config in (read(path).config, completed(plain(cfg))))
    changed = [
        key
        for key in sorted(there | here)
        if there.get(key) != here.get(key) and (decides(key) or key in ("seed", "dataset.fold"))
    ]
    if changed:
        listed = "; ".join(f"{key}: {there.get(key)} there, {here.get(key)} here" for key in changed)
        raise UsageError(f"{path} is another run ({listed}). Ask for that one, or for a fresh one (resume=never).")
