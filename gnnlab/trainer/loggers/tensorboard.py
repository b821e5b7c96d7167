"""TensorBoard event files in <run>/tb: `tensorboard --logdir runs`."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnnlab.trainer.protocols import Row


class TensorBoard:
    """Scalars by epoch. A resumed run writes its history anew, so no epoch is there twice or missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tb"

    def start(self, history: list[Row], timings: list[Row]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(self.folder, ignore_errors=True)
        self.writer = SummaryWriter(str(self.folder))
        for row in history:
            self.log(row)
        for row in timings:
            self.timing(row)

    def log(self, row: Row) -> None:
        self._scalars(row, row["epoch"])

    def timing(self, row: Row) -> None:
        self._scalars({f"time/{key}": value for key, value in row.items() if key != "epoch"}, row["epoch"])

    def close(self, summary: Mapping[str, Any] | None) -> None:
        if summary:
            self._scalars(summary, summary["best/epoch"])
        self.writer.close()

    def _scalars(self, values: Mapping[str, Any], epoch: int) -> None:
        for name, value in values.items():
            if isinstance(value, (int, float)) and not name.endswith("epoch"):
                self.writer.add_scalar(name, value, epoch)
