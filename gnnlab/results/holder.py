"""Who works in a run folder: its file `holder`, "process 17 on host since 2026-…", and below when that process began.

The number of a process is given again, after a reboot at the latest; when it began tells the two apart.
"""

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gnnlab.files import write_text

FILE = "holder"


@dataclass(frozen=True)
class Holder:
    """The process that took a run folder, in `words`; `began`: in clock ticks of its machine, None where not told."""

    words: str
    process: int
    host: str
    since: float
    began: str | None

    @property
    def here(self) -> bool:
        return self.host == socket.gethostname()

    @property
    def lives(self) -> bool:
        """Whether this machine still runs that process; True for one elsewhere, of which nothing is known."""
        if not self.here:
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return self.began is None or began(self.process) in (self.began, None)


def sign(folder: Path, now: str) -> None:
    """Write that this process holds `folder`, since `now`."""
    me = os.getpid()
    write_text(folder / FILE, f"process {me} on {socket.gethostname()} since {now}\n{began(me) or ''}\n")


def leave(folder: Path) -> None:
    """Nobody holds `folder` any more."""
    (folder / FILE).unlink(missing_ok=True)


def holder(folder: Path) -> Holder | None:
    """Who took `folder` and has not left it, whether dead or alive."""
    try:
        first, *rest = (folder / FILE).read_text(encoding="utf-8").splitlines()
        _, process, _, host, _, since = first.split()
        started = rest[0] if any(rest) else None
        return Holder(first, int(process), host, datetime.fromisoformat(since).timestamp(), started)
    except (OSError, ValueError):
        return None


def began(process: int) -> str | None:
    """When a process of this machine began, in clock ticks since the machine did; None where that is not told."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
