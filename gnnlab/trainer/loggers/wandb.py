"""Weights & Biases. Offline by default: no account, no network, never a prompt; `wandb sync` uploads later."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gnnlab.trainer.protocols import Row

notice = logging.getLogger(__name__)


class WandB:
    """A run whose id follows from the run's folder, so that a resumed run continues it; runs that differ in seed and
    fold alone are a group. The config and the state of the code go with it; of a metric, the least and the greatest.

    `mode="online"` without a key or without a network falls back to offline, with a notice.
    """

    def __init__(
        self,
        folder: Path,
        project: str = "gnnlab",
        entity: str | None = None,
        mode: Literal["offline", "online"] = "offline",
    ) -> None:
        self.folder, self.project, self.entity = folder, project, entity
        self.mode: Literal["offline", "online"] = mode
        self.run: Any = None

    def start(self, history: list[Row], timings: list[Row]) -> None:
        import wandb

        try:
            if self.mode == "online" and not wandb.login(prompt=False, verify=False):
                raise wandb.Error("no key; `wandb login` stores one")
            self.run = self._init(self.mode)
        except wandb.Error as error:
            if self.mode == "offline":
                raise
            notice.warning("wandb is not online (%s); logging offline, `wandb sync` uploads it later.", error)
            self.run = self._init("offline")
        self.run.define_metric("*", step_metric="epoch")
        for part in ("train", "val"):
            self.run.define_metric(f"{part}/*", step_metric="epoch", summary="min,max,last")

    def log(self, row: Row) -> None:
        self.run.log(row)

    def timing(self, row: Row) -> None:
        self.run.log({"epoch": row["epoch"], **{f"time/{k}": v for k, v in row.items() if k != "epoch"}})

    def close(self, summary: Mapping[str, Any] | None) -> None:
        if self.run is None:
            return
        self.run.summary.update(summary or {})
        self.run.finish(exit_code=0 if summary else 1)

    def _init(self, mode: Literal["offline", "online"]) -> Any:
        import wandb

        name = "/".join(self.folder.absolute().parts[-2:])
        return wandb.init(
            project=self.project,
            entity=self.entity,
            mode=mode,
            id=hashlib.sha256(name.encode()).hexdigest()[:16],
            name=name,
            group=self.folder.absolute().parent.name,
            resume="allow",
            dir=str(self.folder),
            config=self._read("config.yaml") | {"code": self._read("code.json")},
            settings=wandb.Settings(console="off", silent=True, init_timeout=30, x_disable_stats=True),
        )

    def _read(self, name: str) -> dict[str, Any]:
        """A file of the run's folder; JSON is YAML."""
        import yaml

        path = self.folder / name
        return yaml.safe_load(path.read_text()) if path.exists() else {}
