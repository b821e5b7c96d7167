"""Runs what `background.yaml` lists, one thread a job, first what brings most for its time.

python experiments/background.py --out FOLDER [--jobs 2] [--hours 3] [--only zinc_gps,webkb] [data.root=… logger=[csv]]

Stop it as you like, kill -9 included: the same command passes over what is complete and goes on with the rest from its
checkpoints. `--list` says how far all is; `python -m gnnlab.results status FOLDER` says it run by run.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

import gnnlab
from gnnlab.pipeline import folds
from gnnlab.results.folder import runs_of
from gnnlab.results.runs import read_result
from gnnlab.results.status import span

HERE = Path(__file__).parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass
class Job:
    """A sweep: `run` stands after `python train.py -m`. `worth`: rows of the ledger, or what a study counts for."""

    name: str
    run: str
    minutes: float
    worth: float
    out: Path
    overrides: list[str]

    @property
    def words(self) -> list[str]:
        return [*self.run.split(), f"out={self.out / self.name}", *self.overrides]

    def states(self) -> list[bool]:
        """Of each of its runs, whether it is complete."""
        configs = (cfg for words in expand(self.words) for cfg in folds(gnnlab.compose(*words)))
        return [any(read_result(folder)["status"] == "complete" for folder in runs_of(cfg)) for cfg in configs]

    def lock(self) -> int | None:
        """A descriptor of its lock; None while a process has it, this command's or that of one that was killed."""
        (self.out / self.name).mkdir(parents=True, exist_ok=True)
        lock = os.open(self.out / self.name / ".lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    @property
    def locked(self) -> bool:
        if (lock := self.lock()) is not None:
            os.close(lock)
        return lock is None

    def start(self) -> subprocess.Popen | None:
        """Its process at low priority, which keeps the lock as long as it lives; None where it was locked just now."""
        if (lock := self.lock()) is None:
            return None
        command = ["nice", "-n", "19", sys.executable, str(HERE.parent / "train.py"), "-m", *self.words]
        with (self.out / f"{self.name}.log").open("a") as log:
            process = subprocess.Popen(
                [*command, "trainer.progress=false"],
                stdout=log,
                stderr=log,
                env=os.environ | ONE_THREAD,
                pass_fds=[lock],
                start_new_session=True,
            )
        os.close(lock)
        return process


def expand(words: Sequence[str]) -> Iterator[list[str]]:
    """Every combination of the values that stand side by side, as Hydra's sweeps read them."""
    parsed = OverridesParser.create().parse_overrides(list(words))
    choices = [
        [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
        if one.is_sweep_override()
        else [str(one.input_line)]
        for one in parsed
    ]
    yield from (list(combination) for combination in product(*choices))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the jobs' folders")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (2)")
    parser.add_argument("--hours", type=float, default=float("inf"), help="stop after so long, at a checkpoint")
    parser.add_argument("--only", default="", help="these jobs: zinc_gps,webkb")
    parser.add_argument("--list", action="store_true", help="say how far each job is, and run nothing")
    parser.add_argument("overrides", nargs="*", help="further overrides of every run: data.root=…")
    asked = parser.parse_args()
    table = yaml.safe_load((HERE / "background.yaml").read_text())
    names = asked.only.split(",") if asked.only else list(table)
    if unknown := [name for name in names if name not in table]:
        parser.error(f"no job {', '.join(unknown)}; there are {', '.join(table)}")
    jobs = [Job(name, **table[name], out=asked.out.absolute(), overrides=asked.overrides) for name in names]
    jobs.sort(key=lambda job: -job.worth / job.minutes)
    if asked.list:
        return show(jobs)
    return work(jobs, asked.jobs, time.time() + 3600 * asked.hours)


def show(jobs: list[Job]) -> int:
    """A line for each job, and what all of them still take."""
    rest = 0.0
    for job in jobs:
        states = job.states()
        left = job.minutes * states.count(False) / len(states)
        rest += left
        print(f"{job.name:22} {sum(states):4}/{len(states):<4} {span(60 * left):>11} left  {job.run}", flush=True)
    print(f"{span(60 * rest)} of one thread left.")
    return 0


def work(jobs: list[Job], at_once: int, end: float) -> int:
    """Start and watch the jobs; 1 if one failed."""
    waiting, working, failures = list(jobs), dict[subprocess.Popen, Job](), 0
    if others := [job.name for job in jobs if job.locked]:
        say(f"Processes of another command are at {', '.join(others)}, and count among the {at_once}.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while working or waiting:
            if time.time() > end:
                raise KeyboardInterrupt
            free = [job for job in waiting if not job.locked]
            if free and len(working) + len(waiting) - len(free) < at_once:
                waiting.remove(job := free[0])
                states = job.states()
                rest = sum(job.minutes for job in (*working.values(), *waiting)) + job.minutes * (not all(states))
                if not all(states):
                    if process := job.start():
                        working[process] = job
                    else:
                        waiting.append(job)
                say(f"{job.name}: {sum(states)} of {len(states)} runs are there; {span(60 * rest / at_once)} for all")
            for process in [process for process in working if process.poll() is not None]:
                job = working.pop(process)
                failures += process.returncode != 0
                say(f"{job.name}: " + (f"failed, see {job.out / job.name}.log" if process.returncode else "done"))
            time.sleep(1)
    except KeyboardInterrupt:
        for process in working:
            process.terminate()  # it writes its checkpoint
        for process in working:
            process.wait()
        say("Stopped. The same command goes on.")
    return min(failures, 1)


def say(text: str) -> None:
    print(time.strftime("%H:%M"), text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
