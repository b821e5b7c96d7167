"""SIGTERM and Ctrl-C: finish the step, keep the state, leave."""

import signal
import threading
from types import FrameType, TracebackType

from gnnlab.trainer import distributed


class StopSignals:
    """Within it, the first SIGTERM or SIGINT is only noted in `received`; a second one acts at once."""

    def __init__(self) -> None:
        self.received = 0
        self._before = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGTERM, signal.SIGINT):
                self._before[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def agreed(self) -> int:
        """The signal to stop by that any of the processes received, the same on all; 0 if none did."""
        return self.of(float(distributed.total([self.received > 0])))

    def of(self, processes: float) -> int:
        """The signal to stop by where this number of processes received one."""
        return (self.received or signal.SIGTERM) if processes else 0

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.received = signum
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signum, handler = self._before.popitem()
            signal.signal(signum, handler)
