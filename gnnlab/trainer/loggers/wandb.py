"""Weights & Biases. Offline by default: no account, no network, never a prompt; `wandb sync` uploads later."""

import logging
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from gnnlab.files import write_text
from gnnlab.trainer.loggers.curves import learning_curves
from gnnlab.trainer.protocols import Row

notice = logging.getLogger(__name__)

Mode = Literal["offline", "online", "disabled"]
PATIENCE = 15
"""Seconds to wait for the server."""


class WandB:
    """A run whose id is kept in the run's folder, so that a resumed run continues it and no other one does; runs that
    differ in seed and fold alone are a group. The config and the state of the code go with it; of a metric, the least
    and the greatest; at the end, the learning curves and a table of the result.

    Every epoch is there once: offline, a resumed run is written anew; online, what W&B already has is passed over.
    `mode="online"` without a key that the server takes, or without a network, falls back to offline, with a notice.
    """

    def __init__(
        self,
        folder: Path,
        project: str = "gnnlab",
        entity: str | None = None,
        mode: Mode = "offline",
    ) -> None:
        self.folder, self.project, self.entity = folder, project, entity
        self.mode: Mode = mode
        self.run: Any = None
        self.rows: list[Row] = []

    def start(self, history: list[Row], timings: list[Row]) -> None:
        self.run = self._connect()
        for earlier in self.folder.glob("wandb/offline-run-*"):
            if earlier.name != Path(self.run.dir).parent.name:
                shutil.rmtree(earlier, ignore_errors=True)
        self.run.define_metric("*", step_metric="epoch")
        for part in ("train", "val"):
            self.run.define_metric(f"{part}/*", step_metric="epoch", summary="min,max,last")
        for row, timing in zip(history, timings, strict=True):
            self.log(row)
            self.timing(timing)

    def log(self, row: Row) -> None:
        self.rows.append(row)
        self._send(row)

    def timing(self, row: Row) -> None:
        named = {f"time/{key}": value for key, value in row.items() if key != "epoch"}
        self._send({"epoch": row["epoch"], **named}, commit=True)

    def close(self, summary: Mapping[str, Any] | None) -> None:
        if self.run is None:
            return
        if summary:
            self.run.summary.update(summary)
            self._illustrate(summary)
        self.run.finish(exit_code=0 if summary else 1)

    def _send(self, row: Row, commit: bool = False) -> None:
        """An epoch is a step; those before `starting_step` the server has had, from before the run was resumed."""
        if row["epoch"] >= self.run.starting_step:
            self.run.log(row, step=row["epoch"], commit=commit)

    def _illustrate(self, summary: Mapping[str, Any]) -> None:
        """A figure and a table; a run ends as well without them."""
        try:
            import wandb

            from gnnlab.results.style import save

            numbers: list[Any] = [[k, float(v)] for k, v in summary.items() if isinstance(v, int | float)]
            with TemporaryDirectory() as place:
                picture = Path(place) / "curves.png"
                save(learning_curves(self.rows), picture)
                table = wandb.Table(columns=["metric", "value"], data=numbers)
                self.run.log({"curves": wandb.Image(str(picture)), "result": table})
        except Exception as error:
            notice.warning("wandb gets no figure and no table of this run: %s", error)

    def _connect(self) -> Any:
        import wandb

        try:
            if self.mode == "online":
                notice.info("wandb: connecting, for %d seconds at most.", PATIENCE)
                if not wandb.login(prompt=False, verify=False):
                    raise wandb.Error("no key; `wandb login` stores one")
            return self._init(self.mode)
        except wandb.Error as error:
            if self.mode != "online":
                raise
            notice.warning("wandb is not online (%s); logging offline, `wandb sync` uploads it later.", error)
            wandb.teardown()  # else the id counts as in use
            return self._init("offline")

    def _init(self, mode: Mode) -> Any:
        import wandb

        return wandb.init(
            project=self.project,
            entity=self.entity,
            mode=mode,
            id=self._id(),
            name="/".join(self.folder.absolute().parts[-2:]),
            group=self.folder.absolute().parent.name,
            resume="allow",
            reinit="finish_previous",
            dir=str(self.folder),
            config=self._read("config.yaml") | {"code": self._read("code.json")},
            settings=wandb.Settings(console="off", silent=True, init_timeout=PATIENCE, x_disable_stats=True),
        )

    def _id(self) -> str:
        """Drawn once for the folder."""
        path = self.folder / "wandb.id"
        if not path.exists():
            write_text(path, secrets.token_hex(8))
        return path.read_text(encoding="utf-8")

    def _read(self, name: str) -> dict[str, Any]:
        """A file of the run's folder; JSON is YAML."""
        import yaml

        path = self.folder / name
        return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
