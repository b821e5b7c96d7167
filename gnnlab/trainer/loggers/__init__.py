"""Loggers: one file each, called with the run's folder. What is logged never decides whether a run goes on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from gnnlab.trainer.protocols import Logger, Row

notice = logging.getLogger(__name__)


class Loggers:
    """All loggers of a run. One that raises is dropped with one notice, and closed."""

    def __init__(self, loggers: Sequence[Logger]) -> None:
        self.loggers = list(loggers)

    def start(self, history: list[Row], timings: list[Row]) -> None:
        self._tell(lambda logger: logger.start(history, timings))

    def epoch(self, row: Row, timing: Row) -> None:
        self._tell(lambda logger: logger.log(row))
        self._tell(lambda logger: logger.timing(timing))

    def close(self, summary: Mapping[str, Any] | None) -> None:
        self._tell(lambda logger: logger.close(summary))

    def _tell(self, message: Callable[[Logger], None]) -> None:
        for logger in list(self.loggers):
            try:
                message(logger)
            except Exception as error:
                self.loggers.remove(logger)
                notice.warning("Logger %s failed and is switched off: %s", type(logger).__name__, error)
                with suppress(Exception):
                    logger.close(None)
