"""Killed at any instant and resumed, a run ends with the same bits as if nothing had happened."""

import os
import random
import signal
import time
from functools import partial
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from linear_toy import L2, Linear, run_as_process, toy_fit

from gnnlab.errors import Interrupted
from gnnlab.trainer import Phase
from gnnlab.trainer.schedule import Constant, Cosine, Plateau
from tests.interrupted import assert_same_run, stopped


@pytest.mark.parametrize("stop", [1, 4, 5, 7, 13])
@pytest.mark.parametrize("scheduler", [partial(Cosine, warmup=2), partial(Plateau, patience=0)])
def test_stopped_in_an_epoch_and_resumed(tmp_path: Path, stop: int, scheduler) -> None:
    """Dropout, batch norm, averaged weights, Adam's moments, the epoch's sums and the schedule all go on."""

    def fit(folder: str, **kwargs):
        model = partial(Linear, dropout=0.3, hidden=4)
        return toy_fit(tmp_path / folder, model, scheduler=scheduler, ema=0.8, **kwargs)[1]

    whole = fit("whole", phases=[Phase("train", 4)])
    with pytest.raises(Interrupted, match=r"SIGTERM in phase 'train'.*resume=auto") as told:
        fit("parts", phases=stopped([Phase("train", 4)], stop))
    assert told.value.exit_code == 143
    parts = fit("parts", phases=[Phase("train", 4)], resume=True)
    assert parts.history == whole.history
    assert (parts.best, parts.test) == (whole.best, whole.test)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize("last", [1, 3, 5])
def test_stopped_in_the_evaluation_of_an_epoch_and_resumed(tmp_path: Path, last: int) -> None:
    """In the last epoch of a phase and of the run too."""

    def fit(folder: str, stop: int = -1, resume: bool = False):
        def end(model, epoch: int, first: int) -> None:
            if first + epoch == stop:
                signal.raise_signal(signal.SIGINT)

        phases = [Phase(n, k, on_epoch_end=partial(end, first=at)) for n, k, at in (("one", 4, 0), ("two", 2, 4))]
        return toy_fit(tmp_path / folder, partial(Linear, dropout=0.3), phases, resume)[1]

    whole = fit("whole")
    with pytest.raises(Interrupted, match=f"SIGINT in .*epoch {last + 1}, batch 0.*resume=auto") as told:
        fit("parts", stop=last)
    assert told.value.exit_code == 130
    parts = fit("parts", resume=True)
    assert (parts.history, parts.best, parts.test) == (whole.history, whole.best, whole.test)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_a_signal_during_the_test_lets_it_finish_and_is_told(tmp_path: Path) -> None:
    class Asked(L2):
        scored = 0

        def score(self, out, y) -> dict[str, float]:
            self.scored += 1
            if self.scored == 3:
                signal.raise_signal(signal.SIGTERM)
            return super().score(out, y)

    _, undisturbed = toy_fit(tmp_path / "undisturbed", max_epochs=2)
    _, asked = toy_fit(tmp_path / "asked", max_epochs=2, task=Asked())
    assert (undisturbed.signal, asked.signal) == (0, signal.SIGTERM)
    assert asked.test == undisturbed.test


def test_signals_act_as_before_once_the_run_is_over(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    toy_fit(tmp_path, max_epochs=1)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_phase_resumes_with_its_state(tmp_path: Path) -> None:
    """A frozen layer stays frozen, a teacher stays the one it was."""

    def method(stop: int) -> list[Phase]:
        teacher = Linear()

        def begin(model: Linear) -> None:
            teacher.load_state_dict(model.state_dict())
            model.layers[-1].bias.requires_grad_(False)

        def distill(model, out, batch):
            return (out - teacher(batch).detach()).square().mean()

        student = Phase("student", 3, distill, begin, state={"teacher": teacher})
        return [Phase("dense", 2), *stopped([student], stop)]

    def fit(folder: str, stop: int = -1, resume: bool = False):
        return toy_fit(tmp_path / folder, Linear, method(stop), resume, scheduler=Constant)[1]

    whole = fit("whole")
    with pytest.raises(Interrupted):
        fit("parts", stop=7)
    assert fit("parts", resume=True).history == whole.history
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.fixture(scope="module")
def undisturbed(processes: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of a run that nothing happened to, and how long its process took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(start(processes, folder / "warm-up"))  # waits for the imports
    started = time.monotonic()
    finish(start(processes, folder))
    return folder, time.monotonic() - started


def start(processes: ForkServerContext, folder: Path) -> BaseProcess:
    process = processes.Process(target=run_as_process, args=(folder,))
    process.start()
    return process


def finish(process: BaseProcess) -> None:
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("kills", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_killed_at_random_instants(
    processes: ForkServerContext, undisturbed: tuple[Path, float], tmp_path: Path, kills: int
) -> None:
    """As many runs, killed and resumed until they are through, as it takes to be hit `kills` times."""
    whole, seconds = undisturbed
    instants, hit, run = random.Random(kills), 0, 0
    while hit < kills:
        folder, run = tmp_path / str(run), run + 1
        while hit < kills and not (folder / "final0.pt").exists():
            process = start(processes, folder)
            process.join(instants.uniform(0.1, 0.9) * seconds)
            process.kill()
            process.join()
            hit += process.exitcode == -signal.SIGKILL
        finish(start(processes, folder))
        assert_same_run(folder, whole)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_a_process_says_how_to_go_on(
    processes: ForkServerContext, undisturbed: tuple[Path, float], tmp_path: Path, signum: int, code: int
) -> None:
    process = start(processes, tmp_path)
    while not (tmp_path / "best.pt").exists():
        time.sleep(0.001)
    os.kill(process.pid, signum)
    process.join()
    assert process.exitcode == code
    assert "resume=auto" in (tmp_path / "message.txt").read_text()
    finish(start(processes, tmp_path))
    assert_same_run(tmp_path, undisturbed[0])
