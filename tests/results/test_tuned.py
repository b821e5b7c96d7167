"""What was tried is decided by validation, never by test."""

import csv
import io

import pytest

from gnnlab.errors import UsageError
from gnnlab.results.__main__ import main
from gnnlab.results.runs import load
from gnnlab.results.tuned import tuned


@pytest.fixture
def tried(make_run, tmp_path):
    """Three rates and their validation errors; what is best there is the worst in test. Returns the runs' folder."""
    for lr, errors in ((0.1, (0.3, 0.3)), (0.01, (0.1, 0.5)), (0.001, (0.2, 0.2))):
        for seed, mae in enumerate(errors):
            make_run(1 - mae, seed=seed, optimizer__lr=lr, result={"best": {"val/mae": mae}})
    return tmp_path


def rates(runs):
    return {run.config["optimizer"]["lr"] for run in runs}


def test_the_best_mean_validation_wins_and_every_seed_of_it_stays(tried):
    chosen = tuned(load(tried), ["optimizer.lr"])
    assert rates(chosen) == {0.001}
    assert sorted(run.config["seed"] for run in chosen) == [0, 1]


def test_what_else_differs_is_tuned_apart(tried, make_run):
    make_run(0.05, seed=0, optimizer__lr=0.1, model__dim=32)
    chosen = tuned(load(tried), ["optimizer.lr"])
    assert {(run.config["model"]["dim"], run.config["optimizer"]["lr"]) for run in chosen} == {(64, 0.001), (32, 0.1)}
    assert {run.config["model"]["dim"] for run in tuned(load(tried), ["model", "optimizer"])} == {64}


def test_a_value_with_fewer_seeds_does_not_win_by_luck(tried, make_run, caplog):
    tuned(load(tried), ["optimizer.lr"])
    assert not caplog.text
    make_run(0.01, seed=0, optimizer__lr=1.0)
    assert rates(tuned(load(tried), ["optimizer.lr"])) == {0.001}
    assert "optimizer.lr=1.0 cannot win with 1 of 2 runs (zinc-gps-" in caplog.text


def test_runs_that_are_not_complete_stay_to_be_listed(tried, make_run, capsys):
    failed = make_run(0.1, seed=1, optimizer__lr=1.0)
    (failed / "result.json").write_text('{"status": "failed", "reason": "Loss is NaN."}')
    assert main(["table", str(tried), "--tuned", "optimizer.lr"]) == 0
    assert f"- {failed.parent.name}/seed1: failed: Loss is NaN." in capsys.readouterr().out


def test_more_is_better_where_it_is(make_run, tmp_path):
    for lr, accuracy in ((0.1, 0.9), (0.01, 0.8)):
        best = {"val/accuracy": accuracy}
        result = {"metric": "accuracy", "best": best, "test": {"accuracy": accuracy}}
        make_run(0.0, seed=0, optimizer__lr=lr, result=result)
    assert rates(tuned(load(tmp_path), ["optimizer.lr"])) == {0.1}


def test_a_key_that_no_run_has(tried):
    with pytest.raises(UsageError, match="No run has the key"):
        tuned(load(tried), ["optimizer.lrr"])


def test_tables_comparisons_and_figures_take_it(tried, capsys):
    assert main(["table", str(tried), "--tuned", "optimizer.lr", "--by", "optimizer.lr", "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["optimizer.lr"], row["test/mae n"]) == ("0.001", "2")
    assert main(["table", str(tried), "--tuned", "optimizer.lr"]) == 0
    assert "optimizer.lr by the best mean validation" in capsys.readouterr().out
    assert main(["compare", str(tried), str(tried), "--tuned", "optimizer.lr"]) == 0
    assert main(["plot", str(tried), "bars", "--tuned", "optimizer.lr", "-o", str(tried / "bars.svg")]) == 0
