"""Where the time of a step goes: torch's profiler over some steps of the training."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

notice = logging.getLogger(__name__)

WARMUP, STEPS = 1, 30


@contextmanager
def profiled(wanted: bool, folder: Path) -> Iterator[Callable[[], None]]:
    """A function to call after every step. With `wanted`, thirty steps after the first are profiled.

    They end in a table of the costliest operations, printed and in `profile.txt`, and in `trace.json`.
    """
    if not wanted:
        yield lambda: None
        return

    def report(finished: profile) -> None:
        finished.export_chrome_trace(str(folder / "trace.json"))
        by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        table = finished.key_averages().table(sort_by=by, row_limit=25, max_name_column_width=48)
        (folder / "profile.txt").write_text(table, encoding="utf-8")
        notice.info("%s\nThe steps one by one: %s (chrome://tracing or Perfetto).", table, folder / "trace.json")

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    plan = schedule(wait=0, warmup=WARMUP, active=STEPS, repeat=1)
    with profile(activities=activities, schedule=plan, on_trace_ready=report) as profiler:
        yield profiler.step
