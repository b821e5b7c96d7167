"""A search: what is proposed, pruned, resumed and told, and that it finds better settings than chance."""

import subprocess
import sys
from collections.abc import Callable
from math import nan
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gnnlab.errors import GivenUp, RunStopped, UsageError
from gnnlab.search import Sampler, Search, lowest, run_trial, space, summary, tell

optuna = pytest.importorskip("optuna", reason="a search needs Optuna")
ROOT = Path(__file__).parents[1]
KEYS = ("optimizer.lr=tag(log,interval(1e-4,1e-1))", "model.dropout=interval(0.0,0.5)", "model/conv=gin,gcn")


def parsed(*overrides: str) -> tuple[list[str], dict]:
    return space(OverridesParser.create().parse_overrides(list(overrides)))


def search(folder: Path, count: int = 12, sampler: Sampler = "tpe", seed: int = 0) -> Search:
    fixed, searched = parsed("model=mpnn", *KEYS)
    return Search.under(folder, fixed, searched, count=count, maximize=False, sampler=sampler, seed=seed)


def loss(overrides: list[str]) -> float:
    """Least, 0, at lr = 1e-2, dropout 0.1 and gin."""
    from math import log10

    values = dict(override.split("=") for override in overrides)
    away = abs(log10(float(values["optimizer.lr"])) + 2) + abs(float(values["model.dropout"]) - 0.1)
    return away + (values["model/conv"] != "gin")


def test_the_space_is_what_was_typed() -> None:
    fixed, searched = parsed(
        "model=mpnn", "seed=3", *KEYS, "model.num_layers=int(interval(2,6))", "model.width=range(8,20,4)"
    )
    assert fixed == ["model=mpnn", "seed=3"]
    rate, dropout, conv, layers, width = searched.values()
    assert (rate.low, rate.high, rate.log) == (1e-4, 1e-1, True)
    assert (dropout.low, dropout.high, dropout.log) == (0.0, 0.5, False)
    assert (conv.choices, width.choices) == (("gin", "gcn"), ("8", "12", "16"))
    assert isinstance(layers, optuna.distributions.IntDistribution)
    assert lowest(searched)[2:] == ["model/conv=gin", "model.num_layers=2", "model.width=8"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("optimizer.lr=0.1", "keys to search"),
        ("a=tag(log,interval(0.0,1.0))", "not an interval"),
        ("a=shuffle(1,2,3)", r"leave out shuffle"),
    ],
)
def test_a_space_that_is_none_is_refused(typed: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parsed(typed)


def test_proposals_do_not_depend_on_interruptions(tmp_path: Path) -> None:
    def go(folder: Path, most: int) -> list[list[str]]:
        seen = []
        for trial in search(folder).proposals():
            if len(seen) == most:  # as if the process were killed here
                break
            seen.append(trial.overrides)
            run_trial(search(folder).folder, trial.number, lambda watch, trial=trial: loss(trial.overrides))
        return seen

    whole = go(tmp_path / "whole", most=99)
    parts = go(tmp_path / "parts", 3) + go(tmp_path / "parts", 4) + go(tmp_path / "parts", 99)
    assert len(whole) == 12
    assert parts == whole
    assert "12 complete" in summary(search(tmp_path / "parts").folder)


def test_as_many_more_are_tried_as_have_failed(tmp_path: Path) -> None:
    def go(fails: set[int]) -> list[int]:
        numbers = []
        for trial in search(tmp_path, 4).proposals():
            numbers.append(trial.number)
            value = nan if trial.number in fails else loss(trial.overrides)
            run_trial(search(tmp_path, 4).folder, trial.number, lambda watch, value=value: value)
        return numbers

    assert go({1, 2}) == [0, 1, 2, 3]
    assert go({5}) == [4, 5]
    assert go(set()) == [6]
    assert go(set()) == []
    assert "4 complete, 3 fail" in summary(search(tmp_path).folder)


def test_another_share_that_is_spared_is_another_search(tmp_path: Path) -> None:
    fixed, searched = parsed("model=mpnn", *KEYS)
    settings: dict = {"count": 3, "maximize": False, "sampler": "tpe", "seed": 0}
    names = [Search.under(tmp_path, fixed, searched, spare, **settings).folder for spare in (0.25, 0.5, 0, 0.0)]
    assert names[0] == search(tmp_path).folder
    assert len(set(names)) == 3


def test_several_processes_of_one_run_do_not_search(monkeypatch: pytest.MonkeyPatch) -> None:
    from gnnlab.plugins.hydra_plugins.gnnlab_search import SearchSweeper

    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun cannot search"):
        SearchSweeper(2, "tpe", 0, 0.25).sweep(KEYS)


def test_a_folder_with_odd_signs_reaches_the_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gnnlab.plugins.hydra_plugins.gnnlab_search import SearchSweeper

    class Launcher:
        def launch(self, jobs: list[list[str]], initial_job_idx: int) -> None:
            (place,) = [override for override in jobs[0] if override.startswith("hydra.sweeper.folder=")]
            (read,) = OverridesParser.create().parse_overrides([place])
            run_trial(Path(str(read.value())), initial_job_idx, lambda watch: 0.5)

    sweeper, home = SearchSweeper(2, "tpe", 0, 0.25), tmp_path / "lr=0.1, (a)"
    sweeper.loader, sweeper.runner = None, Launcher()  # type: ignore[assignment]
    sweeper.master = OmegaConf.create({"hydra": {"sweep": {"dir": str(home)}}})
    monkeypatch.setattr(sweeper, "maximize", lambda overrides: False)
    monkeypatch.setattr(sweeper, "composed", lambda overrides: None)
    sweeper.sweep(["model=mpnn", *KEYS])
    assert "2 complete" in summary(next(home.glob("search-*")))
    assert "type the same command several times" in capsys.readouterr().err


def test_two_processes_never_hold_the_same_trial(tmp_path: Path) -> None:
    one, other = search(tmp_path).proposals(), search(tmp_path).proposals()
    assert [next(one).number, next(other).number] == [0, 1]
    one.close()
    assert next(search(tmp_path).proposals()).number == 0


def test_a_trial_that_has_just_ended_elsewhere_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Search._hold

    def late(self: Search, number: int):
        if number == 0:
            tell(self.folder, 0, 0.5)
        return hold(self, number)

    left = search(tmp_path).proposals()
    assert next(left).number == 0
    left.close()
    monkeypatch.setattr(Search, "_hold", late)
    assert next(search(tmp_path).proposals()).number == 1


WORKER = """
import sys
from pathlib import Path
from tests.test_search import loss, search
from gnnlab.search import run_trial

for trial in search(Path(sys.argv[1]), 8).proposals():
    def run(watch):
        watch(0, loss(trial.overrides))
        print(trial.number, flush=True)
        return loss(trial.overrides)
    run_trial(search(Path(sys.argv[1]), 8).folder, trial.number, run)
"""


def test_two_processes_share_the_trials(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    numbers = [number for worker in workers for number in worker.communicate()[0].split()]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sorted(map(int, numbers)) == list(range(8))
    assert "8 complete" in summary(search(tmp_path).folder)


def test_half_a_line_of_the_journal_goes_before_the_next(tmp_path: Path) -> None:
    def run(watch: Callable[[int, float], str | None]) -> float:
        watch(0, 0.5)
        with journal.open("a") as file:
            file.write('{"op_code": 7, "trial_id"')
        watch(1, 0.4)
        return 0.4

    folder = search(tmp_path, 2).folder
    journal = folder / "study.log"
    for trial in search(tmp_path, 2).proposals():
        run_trial(folder, trial.number, run)
    assert "2 complete" in summary(folder)
    assert '"op_code": 7, "trial_id"' not in journal.read_text()


def test_a_full_disk_stops_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    def run(watch: Callable[[int, float], str | None]) -> float:
        with monkeypatch.context() as disk:
            disk.setattr(optuna.storages.journal.JournalFileBackend, "append_logs", full)
            assert watch(0, 0.5) is None
        watch(1, 0.4)
        return 0.4

    trial, folder = next(search(tmp_path, 1).proposals()), search(tmp_path, 1).folder
    with monkeypatch.context() as disk:
        disk.setattr(optuna.Study, "tell", full)
        assert run_trial(folder, trial.number, run) == 0.4
    assert "1 running" in summary(folder)
    assert "without epoch 0 of trial 0: [Errno 28] No space left" in caplog.text
    assert "cannot keep how trial 0 ended" in caplog.text
    assert next(search(tmp_path, 1).proposals()).number == 0


def ended(folder: Path, run: Callable) -> str:
    trial = next(iter(search(folder).proposals()))
    try:
        run_trial(search(folder).folder, trial.number, run)
    except Exception as error:
        return type(error).__name__
    return summary(search(folder).folder)


def test_every_end_is_recorded(tmp_path: Path) -> None:
    def stopped(error: Exception) -> Callable:
        def run(watch: Callable) -> float:
            raise error

        return run

    assert "1 complete" in ended(tmp_path / "a", lambda watch: 0.5)
    assert "1 fail" in ended(tmp_path / "b", lambda watch: nan)
    assert "1 pruned" in ended(tmp_path / "c", stopped(GivenUp("behind")))
    assert ended(tmp_path / "d", stopped(RunStopped("NaN"))) == "RunStopped"
    assert "1 fail" in summary(search(tmp_path / "d").folder)


def test_a_trial_behind_the_median_is_pruned(tmp_path: Path) -> None:
    def run(trial_loss: float) -> Callable:
        def epochs(watch: Callable[[int, float], str | None]) -> float:
            for epoch in range(10):
                if reason := watch(epoch, trial_loss):
                    raise GivenUp(reason)
            return trial_loss

        return epochs

    for trial in search(tmp_path, 8).proposals():
        run_trial(search(tmp_path, 8).folder, trial.number, run(1.0 if trial.number < 7 else 2.0))
    assert "7 complete, 1 pruned" in summary(search(tmp_path, 8).folder)


def test_the_first_epochs_are_spared(tmp_path: Path) -> None:
    for trial in search(tmp_path, 6).proposals():
        given_up: list[int] = []

        def run(watch: Callable[[int, float], str | None], loss: float = trial.number, found: list[int] = given_up):
            for epoch in range(10):
                if watch(epoch, loss):
                    found.append(epoch)
                    raise GivenUp("behind")
            return loss

        run_trial(search(tmp_path, 6).folder, trial.number, run, spared=4)
    assert given_up == [4]


def test_parzen_estimators_beat_chance(tmp_path: Path) -> None:
    best = {}
    for sampler in ("tpe", "random"):
        best[sampler] = []
        for seed in range(3):
            study = search(tmp_path / sampler, 30, sampler, seed)
            losses = [
                run_trial(study.folder, trial.number, lambda watch, trial=trial: loss(trial.overrides))
                for trial in study.proposals()
            ]
            best[sampler].append(min(losses))
    assert sum(best["tpe"]) < sum(best["random"]), best
