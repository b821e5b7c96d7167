"""The table at the end of `-m seed=0,1,2`: a Hydra callback that knows exactly the runs of its sweep.

A sweep cut short prints what there is as the process exits. Launchers that run jobs in other processes
leave the table to `python -m gnnlab.results table`.
"""

import atexit
import os
from dataclasses import replace
from math import isnan
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gnnlab.results.folder import now, runs_of
from gnnlab.results.formats import markdown
from gnnlab.results.runs import Run, read
from gnnlab.results.table import tabulate


class SweepTable(Callback):
    """Collects the runs of a sweep's jobs and prints their table; a job that failed returned NaN."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.lost: list[str] = []
        self.began = ""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        atexit.register(self.show)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        self.began = now()

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        assert job_return.cfg is not None
        runs = {run.identity: run for run in map(read, runs_of(job_return.cfg))}.values()
        if isnan(job_return.return_value):
            runs = [run for run in runs if run.result.get("finished", "") >= self.began]
        self.runs += runs
        if not runs:
            self.lost.append(f"{' '.join(job_return.overrides or ())}: no result, for the reason printed above")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        atexit.unregister(self.show)
        self.show()

    def show(self) -> None:
        """Print the table, once for all processes."""
        if os.environ.get("RANK", "0") == "0" and (self.runs or self.lost):
            table = tabulate(self.runs)
            print("\n" + markdown(replace(table, missing=table.missing + self.lost)), end="")
