"""The table at the end of `-m seed=0,1,2`: a Hydra callback that knows exactly the runs of its sweep.

Jobs write down what became of them in a file of the sweep's, wherever the launcher runs them. A sweep cut short prints
what there is as the process exits.
"""

import atexit
import json
import os
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gnnlab.results.folder import now, runs_of
from gnnlab.results.formats import markdown
from gnnlab.results.runs import read
from gnnlab.results.table import tabulate


class SweepTable(Callback):
    """Collects the runs of a sweep's jobs and prints their table; a job that failed returned NaN.

    `failures`: how many jobs of this process's sweep failed, known when it has ended.
    """

    failures: ClassVar[int] = 0

    def __init__(self) -> None:
        self.began = ""
        self.file: Path | None = None
        self.jobs: list[dict[str, Any]] = []

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        self.file = Path(config.hydra.sweep.dir).absolute() / f"jobs-{os.getpid()}.jsonl"
        self.file.unlink(missing_ok=True)
        atexit.register(self.show)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        self.began = now()

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        assert job_return.cfg is not None
        runs = {run.identity: run for run in map(read, runs_of(job_return.cfg))}.values()
        failed = isnan(job_return.return_value)
        if failed:
            runs = [run for run in runs if run.result.get("finished", "") >= self.began]
        given_up = any(run.result["status"] == "given up" for run in runs)
        self._note(
            runs=[str(run.folder) for run in runs],
            failed=failed and not given_up,
            lost=None if runs else " ".join(job_return.overrides or ()),
        )

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        atexit.unregister(self.show)
        self.show()

    def show(self) -> None:
        """Print the table, once for all processes."""
        if self.file is not None and self.file.exists():
            self.jobs = [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]
            self.file.unlink()
        SweepTable.failures = sum(job["failed"] for job in self.jobs)
        if os.environ.get("RANK", "0") == "0" and self.jobs:
            runs = [read(Path(folder)) for job in self.jobs for folder in job["runs"]]
            lost = [f"{job['lost']}: no result, for the reason printed above" for job in self.jobs if job["lost"]]
            table = tabulate(runs)
            print("\n" + markdown(replace(table, missing=table.missing + lost)), end="")

    def _note(self, **job: Any) -> None:
        self.jobs.append(job)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(job) + "\n")
