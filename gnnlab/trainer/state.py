"""Where a run stands, and what comes out of it."""

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gnnlab.trainer.protocols import Row


@dataclass
class State:
    """All that the loop counts; plain values and tensors, kept in the checkpoint as they are.

    `epoch` counts through all phases, `phase_epoch` and `step` from the start of the phase. `position`: batches of the
    epoch already trained on; `loss`, `items` (targets, of which the loss is a mean), `graphs` and `train_seconds` are
    its sums so far. `stale`: evaluations since the best one of the phase.
    """

    phase: int = 0
    epoch: int = 0
    phase_epoch: int = 0
    step: int = 0
    position: int = 0
    loss: float = 0.0
    items: int = 0
    graphs: int = 0
    train_seconds: float = 0.0
    seconds: float = 0.0
    stale: int = 0
    stopped: str = ""
    best: Row | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    timings: list[Row] = field(default_factory=list)

    def begin_phase(self) -> None:
        self.phase_epoch = self.step = self.stale = 0
        self.stopped, self.best, self.best_weights = "", None, {}

    def end_epoch(self, row: Row) -> Row:
        """Close the epoch with its history row; returns its timing row."""
        rate = self.graphs / max(self.train_seconds, 1e-9)
        timing = {"epoch": self.epoch, "seconds": self.train_seconds, "graphs_per_second": rate}
        self.history.append(row)
        self.timings.append(timing)
        self.epoch, self.phase_epoch = self.epoch + 1, self.phase_epoch + 1
        self.position = self.items = self.graphs = 0
        self.loss = self.train_seconds = 0.0
        return timing

    def improves(self, row: Row, metric: str, maximize: bool) -> bool:
        """Whether `row` is better than the best so far; NaN never is better than a number."""
        if self.best is None or math.isnan(self.best[metric]):
            return True
        return row[metric] > self.best[metric] if maximize else row[metric] < self.best[metric]

    def records(self, row: Row, metric: str, maximize: bool, choose_from: int) -> tuple[bool, bool]:
        """Whether no evaluation of the phase, from its epoch `choose_from` on, had a better metric; a lower loss."""
        first = self.epoch - self.phase_epoch + (choose_from if self.phase_epoch >= choose_from else 0)
        earlier = [other for other in self.history[first:] if metric in other]
        sign = 1 if maximize else -1
        return (
            all(sign * row[metric] >= sign * other[metric] for other in earlier),
            all(row["val/loss"] <= other["val/loss"] for other in earlier),
        )


@dataclass
class FitResult:
    """What `Trainer.fit` returns.

    `history`, `timings`: a `Row` per epoch. `best`, `last`: history rows; `test`: {"loss": …,
    "mae": …} at the weights of `best`. `stopped`: "max_epochs", "patience" or "min_lr". `seconds`: wall
    clock with evaluation; `graphs_per_second`: training alone. `signal`: the SIGTERM or SIGINT that came
    during the test, else 0; the run is complete, but its process was asked to stop.
    """

    history: list[Row]
    timings: list[Row]
    best_epoch: int
    best: Row
    last: Row
    test: dict[str, float]
    stopped: str
    seconds: float
    graphs_per_second: float
    peak_memory_mb: float
    signal: int = 0

    @classmethod
    def of(cls, state: State, test: dict[str, float], peak_memory_mb: float) -> "FitResult":
        seconds = sum(row["seconds"] for row in state.timings)
        graphs = sum(row["seconds"] * row["graphs_per_second"] for row in state.timings)
        best = state.best or state.history[-1]
        return cls(
            state.history,
            state.timings,
            best["epoch"],
            best,
            state.history[-1],
            test,
            state.stopped or "max_epochs",
            state.seconds,
            graphs / max(seconds, 1e-9),
            peak_memory_mb,
        )

    def summary(self) -> dict[str, Any]:
        """{"best/epoch": …, "best/val/mae": …, "test/mae": …} for the loggers."""
        return {**{f"best/{k}": v for k, v in self.best.items()}, **{f"test/{k}": v for k, v in self.test.items()}}
