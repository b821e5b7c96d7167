"""The training loop: the only one, whatever the method.

A method is a list of phases (`gnnlab.trainer.phase`), whose meaning the loop does not know. Each has its
optimizer and schedule, and epochs of steps; an epoch is evaluated over the whole validation split and the
best weights are kept. In the end the test split is evaluated once, with the best weights.

Killed at any instant and resumed, a run ends with the same bits: the checkpoint holds all that counts,
and the loader's order depends on (seed, epoch) alone.
"""

import logging
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Fraction, NonNegative, Positive
from gnnlab.errors import GivenUp, Interrupted, RunStopped, UsageError
from gnnlab.trainer import cudagraph, device, distributed
from gnnlab.trainer.checkpoint import Checkpoints
from gnnlab.trainer.learner import Learner
from gnnlab.trainer.loggers import Loggers
from gnnlab.trainer.losses import Losses, NotFinite
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.profile import profiled
from gnnlab.trainer.progress import Progress
from gnnlab.trainer.protocols import Loader, Logger, Row, Scheduler, Task
from gnnlab.trainer.signals import StopSignals
from gnnlab.trainer.state import FitResult, State
from gnnlab.weights import copy_of

notice = logging.getLogger(__name__)
HOW_TO_LOOK = "trainer.detect_anomaly=true names the operation; a lower optimizer.lr or trainer.clip may help."
ONE_CLASS = "do all targets of the {} split lie in one class? Give it some of each."
SMALLER_BATCHES = "Lower loader.batch_size, or set loader.max_nodes or loader.max_edges."


@dataclass(frozen=True)
class Trainer:
    """Settings of the loop. Raises `UsageError` at once for one that cannot be, an absent device among them.

    clip: largest global gradient norm. accumulate: batches per optimizer step, weighted as one big batch; weights of
    classes in a loss are those of each batch.
    ema: decay of the averaged weights, which are then the ones evaluated and kept. patience: number of evaluations
    without a better one to stop after. choose: the best weights are those of the best validation metric, of the least
    validation loss (`loss`), or (`both`) those where metric and loss both are the best so far; patience then waits for
    either, as in GAT's release.
    min_lr: stop once the schedule has gone below it.
    eval_every: epochs. checkpoint_every: seconds between checkpoints, in the middle of an epoch too.
    detect_anomaly: name the operation whose gradient is NaN (slow). profile: where the time of a step goes.
    pad: number of batch sizes to pad training batches to (`gnnlab.padding`); an objective of a phase must
    then heed `batch.real`. cudagraph: one captured graph for each of them (`gnnlab.trainer.cudagraph`).
    """

    max_epochs: Count = 100
    clip: Positive | None = 1.0
    accumulate: Count = 1
    ema: Fraction | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    device: str = "auto"
    deterministic: bool = False
    patience: Count | None = None
    choose: Literal["metric", "loss", "both"] = "metric"
    min_lr: NonNegative | None = None
    eval_every: Count = 1
    checkpoint_every: NonNegative = 30.0
    progress: bool = True
    detect_anomaly: bool = False
    profile: bool = False
    pad: Count | None = None
    cudagraph: bool = False

    def __post_init__(self) -> None:
        device.choose(self.device)
        cudagraph.check(self)

    def fit(
        self,
        model: nn.Module,
        task: Task,
        loaders: Mapping[str, Loader],
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., Scheduler],
        loggers: Sequence[Logger],
        folder: Path,
        phases: Sequence[Phase] | None = None,
        resume: bool = False,
        fingerprint: str = "",
        watch: Callable[[int, float], str | None] | None = None,
    ) -> FitResult:
        """Train `model` on loaders "train", choose by "val", evaluate on "test"; it ends with its best weights.

        `optimizer(params)` and `scheduler(optimizer, epochs=…, maximize=…)` are called at the start of
        every phase; by default there is one, "train", of `max_epochs`. `folder` receives checkpoint.pt and
        best.pt. With `resume`, a checkpoint found there is continued; `fingerprint` says what it belongs to.
        `watch(epoch, validation metric)` is called after every evaluation, and may say why to give up (`GivenUp`).
        Raises `RunStopped` (NaN, no memory, `Interrupted` by a signal) and `UsageError` (checkpoint). A signal
        that comes when only the test is left lets it finish, see `FitResult.signal`.
        """
        phases = phases or [Phase("train", self.max_epochs)]
        with ExitStack() as stack:
            stack.enter_context(distributed.team())
            stack.enter_context(device.checked(self.deterministic, self.detect_anomaly))
            signals = stack.enter_context(StopSignals())
            stepped = stack.enter_context(profiled(self.profile and distributed.rank() == 0, folder))
            learner = Learner(self, model, task, optimizer, scheduler)
            all_loggers = Loggers(loggers if distributed.rank() == 0 else [])
            checkpoints = Checkpoints(folder, self.checkpoint_every, fingerprint)
            result = Fit(self, learner, loaders, phases, all_loggers, checkpoints, signals, stepped, watch).run(resume)
            result.signal = signals.agreed()
            return result


@dataclass
class Fit:
    """One call of `Trainer.fit`: the parts, and the loop over them."""

    settings: Trainer
    learner: Learner
    all_loaders: Mapping[str, Loader]
    phases: Sequence[Phase]
    loggers: Loggers
    checkpoints: Checkpoints
    signals: StopSignals
    stepped: Callable[[], None]
    watch: Callable[[int, float], str | None] | None = None

    def __post_init__(self) -> None:
        self.model, self.task = self.learner.model, self.learner.task
        self.state, self.losses, self.metric = State(), Losses(), f"val/{self.task.metric}"
        self.clock = time.perf_counter()

    def run(self, resume: bool) -> FitResult:
        """All phases from where `State` says, then the test."""
        found, summary = self.checkpoints.load() if resume else None, None
        saved, self.state = found or (None, self.state)
        self.loggers.start(self.state.history, self.state.timings)
        epochs = sum(phase.epochs for phase in self.phases)
        self.progress = Progress(epochs, self.state.epoch, self.task.metric, self.settings.progress)
        try:
            for index in range(self.state.phase, len(self.phases)):
                self.begin(index, saved)
                while self.state.phase_epoch < self.phase.epochs and not self.state.stopped:
                    self.train()
                    self.end_epoch()
                    self.heed(self.signals.agreed())
                self.save()
                self.learner.end(self.state.best_weights)
                saved = None
            self.checkpoints.save_best(self.state.best_weights)  # where a full disk, or a resume, left others
            test = self.learner.evaluate(self.loaders["test"])
            missing = [f"test/{name}" for name, value in test.items() if not math.isfinite(value)]
            if missing and distributed.rank() == 0:
                why = ONE_CLASS.format("test") if math.isfinite(test["loss"]) else "the outputs there are not finite."
                notice.warning("There is no %s, so none is recorded: %s", ", ".join(missing), why)
            self.lap()
            result = FitResult.of(self.state, test, device.peak_memory_mb(self.learner.device))
            summary = result.summary()
            return result
        except NotFinite as error:
            raise RunStopped(self.report(str(error), HOW_TO_LOOK, error.behind)) from error
        except (RuntimeError, MemoryError) as error:
            if not device.out_of_memory(error):
                raise
            what = f"Out of memory on {self.learner.device}{distributed.which()}"
            raise RunStopped(self.report(what, SMALLER_BATCHES), alone=True) from error
        finally:
            self.progress.close()
            self.loggers.close(summary)

    def begin(self, index: int, saved: dict[str, Any] | None) -> None:
        """Start phase `index`, or go on in it from a checkpoint."""
        self.phase, self.state.phase = self.phases[index], index
        self.loaders = self.phase.loaders or self.all_loaders
        distributed.check_parts(self.loaders)
        self.learner.begin(self.phase, self.loaders["train"])
        if saved is not None:
            self.checkpoints.restore(saved, self.learner.parts())
        else:
            self.state.begin_phase()
            self.save()

    def train(self) -> None:
        """The current epoch, from batch `state.position` on."""
        state, loader = self.state, self.loaders["train"]
        batches, num_batches = loader.epoch(state.epoch, start=state.position), loader.num_batches(state.epoch)
        self.model.train()
        self.lap()
        while group := list(islice(batches, self.settings.accumulate)):
            items, graphs, stop, due = self.agree(group)
            loss, norm = self.learner.step(group, items)
            state.position, state.step = state.position + len(group), state.step + 1
            if self.phase.on_step_end:
                self.phase.on_step_end(self.model, state.step)
            self.stepped()
            self.losses.add(loss * items, norm)
            if self.losses.full:
                state.loss = self.losses.read(state.loss)
            state.items, state.graphs = state.items + items, state.graphs + graphs
            state.train_seconds += self.lap()
            self.progress.step(len(group) / num_batches)
            if due:
                self.save()
            self.heed(stop)
        state.loss = self.losses.read(state.loss)
        state.train_seconds += self.lap()

    def agree(self, group: list[Batch]) -> tuple[int, int, int, bool]:
        """What all processes know of a step: its items and graphs, a signal to stop, whether a checkpoint is due."""
        items, graphs = sum(map(self.task.count, group)), sum(batch.num_graphs for batch in group)
        sums = distributed.total([items, graphs, self.signals.received > 0, self.checkpoints.due]).tolist()
        return int(sums[0]), int(sums[1]), self.signals.of(sums[2]), sums[3] > 0

    def heed(self, stop: int) -> None:
        """Keep the state and leave, if there is a signal to stop."""
        if stop:
            self.save()
            raise Interrupted(self.report(f"Stopped by {signal.Signals(stop).name}"), stop)

    def end_epoch(self) -> None:
        """Hook, evaluation, best weights, schedule, whether to stop, and the epoch's rows."""
        state, settings, learner = self.state, self.settings, self.learner
        row: Row = {"epoch": state.epoch, "train/loss": state.loss / max(1, state.items), "lr": learner.lr}
        if len(self.phases) > 1:
            row["phase"] = self.phase.name
        if self.phase.on_epoch_end:
            row.update(self.phase.on_epoch_end(self.model, state.phase_epoch) or {})
        done, early = state.phase_epoch + 1, state.phase_epoch < self.phase.choose_from
        if state.phase_epoch == self.phase.choose_from:
            state.best, state.stale = None, 0
        if done % settings.eval_every == 0 or done == self.phase.epochs:
            row.update({f"val/{name}": value for name, value in learner.evaluate(self.loaders["val"]).items()})
            if not math.isfinite(row["val/loss"]):
                raise NotFinite("validation loss", row["val/loss"], behind=1)
            if math.isnan(row[self.metric]):
                raise UsageError(
                    f"{self.metric} has no value, so no epoch can be chosen: {ONE_CLASS.format('validation')}"
                )
            self.choose_best(row)
        early = early or state.best is None
        watches_loss = getattr(learner.scheduler, "watch", "metric") == "loss"
        learner.scheduler.step(row.get("val/loss" if watches_loss else self.metric))
        if not early and settings.patience is not None and state.stale >= settings.patience:
            state.stopped = "patience"
        elif not early and settings.min_lr is not None and learner.lr < min(settings.min_lr, row["lr"]):
            state.stopped = "min_lr"  # the rate has just fallen: a warm-up that begins below it is no end
        timing = state.end_epoch(row)
        self.loggers.epoch(row, timing)
        self.progress.epoch(row, timing, state.best)
        if self.watch and self.metric in row:
            self.give_up(self.watch(row["epoch"], row[self.metric]) if distributed.rank() == 0 else None)

    def give_up(self, reason: str | None) -> None:
        """Keep the state and leave, if rank 0 has a reason to."""
        reason = distributed.collect(reason)[0]
        if reason:
            self.save()
            raise GivenUp(f"Given up after epoch {self.state.epoch - 1}: {reason}. {self.checkpoints.advice}")

    def choose_best(self, row: Row) -> None:
        """Keep the weights just evaluated if they are the best of the phase."""
        self.state.stale += 1
        if self.settings.choose == "loss":
            better = self.state.improves(row, "val/loss", maximize=False)
        else:
            better = self.state.improves(row, self.metric, self.task.maximize)
        if self.settings.choose == "both":
            records = self.state.records(row, self.metric, self.task.maximize, self.phase.choose_from)
            better = all(records) or self.state.best is None
            if any(records):
                self.state.stale = 0
        if better:
            self.state.stale, self.state.best = 0, row
            with self.learner.averaged():
                self.state.best_weights = copy_of(self.model)
            self.checkpoints.save_best(self.state.best_weights)

    def save(self) -> None:
        self.state.loss = self.losses.read(self.state.loss)
        self.checkpoints.save(self.state, self.learner.parts())

    def report(self, what: str, advice: str = "", behind: int = 0) -> str:
        """The end of a run in one message: what, where (`behind` steps ago), where its state is, what to do."""
        accumulate = self.settings.accumulate
        first = min(self.state.position, accumulate * (math.ceil(self.state.position / accumulate) - behind))
        batch = f"batch {first}" if accumulate == 1 else f"the step from batch {first}"
        where = f"phase {self.phase.name!r}, epoch {self.state.epoch}, {batch}"
        return f"{what} in {where}. {self.checkpoints.advice} {advice}".strip()

    def lap(self) -> float:
        """Seconds since the last call."""
        now = time.perf_counter()
        seconds, self.clock = now - self.clock, now
        self.state.seconds += seconds
        return seconds
