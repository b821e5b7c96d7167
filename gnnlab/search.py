"""A search for good settings: trials that a sampler proposes, and that end early where they fall behind.

The study lies in a folder named by what is searched, in one file, and several processes may work on it. A trial is a
run like any other, in its own run folder; one whose process was killed goes on from its checkpoint. Needs Optuna
(`pip install gnnlab[search]`).
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from gnnlab.errors import GivenUp, Interrupted, UsageError

if TYPE_CHECKING:
    import optuna
    from hydra.core.override_parser.types import Override

notice = logging.getLogger(__name__)

SPARE = 0.25
"""The share of `trainer.max_epochs` in which no run is given up, where none is asked for."""
Sampler = Literal["tpe", "random"]
Watch = Callable[[int, float], str | None]
"""(epoch, validation metric) → why to stop here, or None."""


class Proposal(NamedTuple):
    """Trial `number`, to be run with these overrides."""

    number: int
    overrides: list[str]


def library() -> Any:
    """Optuna. Raises `UsageError` where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UsageError("A search needs Optuna: pip install 'gnnlab[search]', or pip install optuna.") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def space(overrides: Sequence["Override"]) -> tuple[list[str], dict[str, Any]]:
    """What is typed once for all trials, and the distribution of every key that is searched.

    `a,b` and `range(1,9)` are choices, `interval(0,0.5)` the numbers in between, `int(interval(2,6))` the whole ones;
    `tag(log,interval(1e-4,1e-1))` goes by their logarithm. Raises `UsageError`.
    """
    from hydra.core.override_parser.types import IntervalSweep

    distributions = library().distributions
    fixed, searched = [], {}
    for override in overrides:
        key, value = override.get_key_element(), override.value()
        if not override.is_sweep_override():
            fixed.append(f"{key}={override.get_value_element_as_str()}")
        elif isinstance(value, IntervalSweep):
            whole = isinstance(value.start, int)
            kind = distributions.IntDistribution if whole else distributions.FloatDistribution
            try:
                searched[key] = kind(value.start, value.end, log="log" in value.tags)
            except ValueError as error:
                raise UsageError(f"{override.input_line} is not an interval to search: {error}") from error
        else:
            if getattr(value, "shuffle", False):
                raise UsageError(f"{override.input_line}: a search chooses the order; leave out shuffle(…).")
            searched[key] = distributions.CategoricalDistribution(list(override.sweep_string_iterator()))
    if not searched:
        raise UsageError("A search needs keys to search, such as 'optimizer.lr=tag(log,interval(1e-4,1e-1))'.")
    return fixed, searched


def lowest(searched: Mapping[str, Any]) -> list[str]:
    """The first choice, or the lower end, of every key: overrides that make a config of the space."""
    return [f"{key}={kind.choices[0] if hasattr(kind, 'choices') else kind.low}" for key, kind in searched.items()]


@dataclass(frozen=True)
class Search:
    """`count` trials of the keys `searched`, the rest of a command being `fixed`; the study lies in `folder`."""

    folder: Path
    fixed: Sequence[str]
    searched: Mapping[str, Any]
    count: int
    maximize: bool
    sampler: Sampler
    seed: int

    @classmethod
    def under(
        cls, home: Path, fixed: Sequence[str], searched: Mapping[str, Any], spare: float = SPARE, **settings: Any
    ) -> "Search":
        """The search of this command, in a folder under `home` that it finds again when typed again."""
        words = [*sorted(fixed), *(f"{key}={searched[key]}" for key in sorted(searched))]
        words += [f"spare={float(spare)}"] if spare != SPARE else []
        name = sha256(json.dumps([*words, settings["sampler"], settings["seed"]]).encode()).hexdigest()[:8]
        return cls(home / f"search-{name}", fixed, searched, **settings)

    def proposals(self) -> Iterator[Proposal]:
        """The trials for this process to run; each is its own until it asks for the next.

        First come those that a killed process left behind. What is proposed depends on the seed and on the trials
        before, not on how often the search was interrupted. For those that failed earlier there are as many more.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        most = self.count + self._failed()
        while found := self._next(most):
            trial, lock = found
            with lock:
                yield Proposal(trial.number, [*self.fixed, *(f"{key}={value}" for key, value in trial.params.items())])

    def _failed(self) -> int:
        with FileLock(self.folder / ".lock"):
            return sum(trial.state.name == "FAIL" for trial in self._study().trials)

    def _study(self) -> "optuna.Study":
        direction = "maximize" if self.maximize else "minimize"
        settings = {"study_name": STUDY, "storage": _storage(self.folder), "load_if_exists": True}
        return library().create_study(**settings, direction=direction)

    def _next(self, most: int) -> "tuple[optuna.trial.BaseTrial, FileLock] | None":
        with FileLock(self.folder / ".lock"):
            return self._take(most)

    def _take(self, most: int) -> "tuple[optuna.trial.BaseTrial, FileLock] | None":
        optuna, study = library(), self._study()
        for trial in study.trials:
            if not trial.state.is_finished():
                with suppress(Timeout):
                    lock = self._hold(trial.number)
                    if not study.trials[trial.number].state.is_finished():  # nor just now, elsewhere
                        return trial, lock
                    lock.release()
        if len(study.trials) >= most:
            return None
        samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
        study.sampler = samplers[self.sampler](seed=self.seed * 100_003 + len(study.trials))
        trial = study.ask(dict(self.searched))
        return trial, self._hold(trial.number)

    def _hold(self, number: int) -> FileLock:
        lock = FileLock(self.folder / f".trial{number}.lock", timeout=0)
        lock.acquire()
        return lock


STUDY = "search"


def watch(folder: Path, number: int, spared: int = 0) -> Watch:
    """Reports the epochs of trial `number`, and gives up one that has fallen behind.

    That is where its best so far is worse than the median of what the complete trials, five at least, had at that
    epoch; not in the first epochs, `spared` of them: what they say of a network is mostly its initial weights.
    An epoch that cannot be reported, on a full disk, is passed over.
    """
    optuna = library()
    pruner = optuna.pruners.MedianPruner(n_warmup_steps=spared)
    study = optuna.load_study(study_name=STUDY, storage=_storage(folder), pruner=pruner)
    trial = optuna.trial.Trial(study, study.trials[number]._trial_id)
    known = set(study.trials[number].intermediate_values)

    def behind(epoch: int, value: float) -> str | None:
        try:
            if epoch not in known:
                trial.report(value, epoch)
            late = trial.should_prune()
        except OSError as error:
            notice.warning("The search goes on without epoch %d of trial %d: %s", epoch, number, error)
            return None
        return f"trial {number} of the search has fallen behind the median" if late else None

    return behind


def run_trial(folder: Path, number: int, run: Callable[[Watch], float], spared: int = 0) -> float:
    """Run trial `number` and write its end into the study; NaN where it was pruned. `spared`: see `watch`.

    One that is interrupted has not ended: the next process to search goes on with it.
    """
    try:
        value = run(watch(folder, number, spared))
    except GivenUp as reason:
        tell(folder, number, None)
        notice.info("%s", reason)
        return nan
    except Interrupted:
        raise
    except Exception:
        tell(folder, number, nan)
        raise
    tell(folder, number, value)
    return value


def tell(folder: Path, number: int, value: float | None) -> None:
    """End trial `number`: with its value, as failed where that is NaN, as pruned where it is None.

    Where that cannot be written, on a full disk, a notice: the search finds the trial unfinished, and reads its run.
    """
    optuna = library()
    states = optuna.trial.TrialState
    try:
        study = optuna.load_study(study_name=STUDY, storage=_storage(folder))
        if value is None or isnan(value):
            study.tell(number, state=states.PRUNED if value is None else states.FAIL)
        else:
            study.tell(number, value)
    except OSError as error:
        notice.warning("The search cannot keep how trial %d ended (%s). Run it again with more room.", number, error)


def summary(folder: Path) -> str:
    """How many trials ended how, and the best of them."""
    study = library().load_study(study_name=STUDY, storage=_storage(folder))
    states = [trial.state.name.lower() for trial in study.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    if "complete" not in states:
        return f"{folder}: {counts}."
    settings = " ".join(f"{key}={value}" for key, value in study.best_params.items())
    return f"{folder}: {counts}. Best: trial {study.best_trial.number} with {study.best_value:.6g}: {settings}"


def _storage(folder: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    path = folder / "study.log"
    lock: Any = Mending(path, JournalFileSymlinkLock(str(path)))
    return JournalStorage(JournalFileBackend(str(path), lock))


@dataclass(frozen=True)
class Mending:
    """The `lock` of a journal; who takes it, to write, first cuts off half a line that a full disk has left.

    With a line behind it, Optuna could not read the journal any more.
    """

    path: Path
    lock: Any

    def acquire(self) -> bool:
        held = self.lock.acquire()
        try:
            self.cut()
        except BaseException:
            self.lock.release()
            raise
        return held

    def cut(self) -> None:
        with self.path.open("rb+") as journal:
            size = end = journal.seek(0, os.SEEK_END)
            while end and os.pread(journal.fileno(), 1, end - 1) != b"\n":
                end -= 1
            if end < size:
                journal.truncate(end)

    def release(self) -> None:
        self.lock.release()
