"""How far the runs of a folder are: read from their files alone, so it disturbs no run and works from another shell.

A run is `running` while the process that holds it lives (on another machine: while it still writes), else `complete` or
`failed` by its result, or `stopped`: `resume=auto` continues it. The time left supposes that no run stops early.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from gnnlab.results.formats import plain_table
from gnnlab.results.history import Epochs, history, timing
from gnnlab.results.holder import Holder, holder
from gnnlab.results.runs import Run, is_error, load, newest
from gnnlab.results.table import why

WORDS = ("complete", "given up", "stopped", "failed", "running")
SILENCE = 600.0
"""Seconds without a line after which a run elsewhere counts as stopped, if ten of its epochs are no longer."""


@dataclass(frozen=True)
class State:
    """Where a run stands; `pace`: seconds an epoch, `left`: seconds to its last one."""

    run: Run
    word: str
    epoch: int
    epochs: int
    best: str
    pace: float | None
    left: float | None


def status(runs: Sequence[Run], now: float | None = None) -> list[State]:
    """The states of the newest run of each configuration, seed and fold; those not complete last, where one looks."""
    states = [_state(run, time.time() if now is None else now) for run in newest(runs)]
    return sorted(states, key=lambda state: (WORDS.index(state.word), state.run.name))


def show(states: Sequence[State]) -> str:
    """The table of the states, and in one line how many are in which and how long they take."""
    rows = [
        [
            state.run.name,
            f"{state.word}: {why(state.run).partition(': ')[2]}" if state.word == "failed" else state.word,
            f"{state.epoch}/{state.epochs}",
            state.best,
            "–" if state.pace is None else f"{state.pace:.3g}",
            "–" if state.left is None else span(state.left),
        ]
        for state in states
    ]
    words = [state.word for state in states]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    left = [state.left for state in states if state.word == "running" and state.left is not None]
    rest = f"; {span(max(left))} until the running ones end" if left else ""
    header = ["run", "state", "epoch", "best so far", "s/epoch", "left"]
    return f"{plain_table(header, rows, left=2)}\n\n{len(states)} runs: {counts}{rest}.\n"


def watch(folder: Path, seconds: float) -> None:
    """Show the states again and again until no run is running, or Ctrl-C."""
    try:
        while True:
            states = status(load(folder))
            print(f"\033[2J\033[H{show(states)}", end="", flush=True)
            if all(state.word != "running" for state in states):
                return
            time.sleep(seconds)
    except KeyboardInterrupt:
        print()


def span(seconds: float) -> str:
    """Seconds in words: 40 s, 12 min, 3 h 05 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    return (
        f"{minutes // 60} h {minutes % 60:02} min" if minutes < 2880 else f"{minutes // 1440} d {minutes // 60 % 24} h"
    )


def _state(run: Run, now: float) -> State:
    rows, times, held = history(run.folder), timing(run.folder), holder(run.folder)
    epochs = _planned(run) or len(rows)
    done = run.result["epochs"] if "epochs" in run.result else int(rows[-1]["epoch"]) + 1 if rows else 0
    written = max((path.stat().st_mtime for path in run.folder.glob("*.csv")), default=None)
    pace = _pace(times, held.since if held else None, written)
    word = "stopped" if run.result["status"] == "unfinished" else run.result["status"]
    if word != "complete" and held and _works(held, now - (written or held.since), pace):
        word = "running"
    left = pace * max(0, epochs - done) if pace is not None and word in ("running", "stopped") else None
    return State(run, word, done, epochs, _best(run, rows), pace, left)


def _planned(run: Run) -> int:
    """The epochs of all phases; before they are known, those of the trainer."""
    try:
        return sum(epochs for _, epochs in json.loads((run.folder / "phases.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return (run.config.get("trainer") or {}).get("max_epochs") or 0


def _pace(times: Epochs, since: float | None, written: float | None) -> float | None:
    """Seconds from epoch to epoch, evaluation included, over as many of the last epochs as this process has done."""
    seconds = [row["seconds"] for row in times if "seconds" in row]
    if not seconds:
        return None
    if since is None or written is None:
        return median(seconds)
    spent, count = 0.0, 0
    while count < len(seconds) and spent + seconds[-count - 1] <= written - since:
        spent, count = spent + seconds[-count - 1], count + 1
    return (written - since) / count if count else median(seconds)


def _works(held: Holder, silent: float, pace: float | None) -> bool:
    """Whether the process that holds a run lives, as far as can be told; `silent`: seconds since it last wrote."""
    return held.lives if held.here else silent < max(SILENCE, 10 * (pace or 0.0))


def _best(run: Run, rows: Epochs) -> str:
    """The best validation metric so far; of a run without a result the metric that is logged."""
    names = [name for name in (rows[-1] if rows else {}) if name.startswith("val/") and name != "val/loss"]
    name = f"val/{run.result['metric']}" if "metric" in run.result else names[0] if names else None
    values = [row[name] for row in rows if name in row] if name else []
    best = min if name and is_error(name) else max
    return f"{name} {best(values):.4g}" if values else "–"
