"""The ledger: a row for each published cell that runs are of, how far off they are and what they do otherwise."""

import csv
import json
from dataclasses import replace

import pytest

from gnnlab.errors import UsageError
from gnnlab.results.__main__ import main
from gnnlab.results.ledger import ledger, merged, summary, write
from gnnlab.results.published import Cell
from gnnlab.results.runs import load

CELL = Cell("zinc", "gps", "encoding=[rwse] model.dim=64", "mae", "0.070", "0.004", "A 2022", "2")
BARE = Cell("zinc", "gps", "encoding=[rwse] model.dim=64", "mae", "0.070", "", "A 2022", "2")


@pytest.fixture
def run(make_run, monkeypatch):
    """A run of a published cell, in its preset."""
    monkeypatch.setattr("gnnlab.results.ledger.cells", lambda: [CELL])

    def make(mae, overrides=("model=gps", "dataset=zinc"), **changes):
        path = make_run(mae, overrides, **changes) / "result.json"
        result = json.loads(path.read_text())
        result["choices"]["preset"] = "gps_zinc"
        result |= {"epochs": 2000, "code": {"commit": "0123456789", "dirty": True}}
        result |= {"environment": {"cpu": "A CPU", "gpu": None, "threads": 1}}
        path.write_text(json.dumps(result))

    return make


def test_a_row_holds_both_sides(run, tmp_path):
    for seed, mae in enumerate((0.070, 0.076, 0.082)):
        run(mae, seed=seed)
    (row,) = ledger(load(tmp_path))
    assert (row.mean, row.std, row.runs, row.seeds, row.folds) == (pytest.approx(0.076), pytest.approx(0.006), 3, 3, 1)
    assert row.deviation == pytest.approx((0.076 - 0.070) / 0.004)
    assert (row.epochs, row.published_epochs, row.short, row.departures) == (2000, 2000, "", "")
    assert (row.job, row.hardware, row.commit) == ("runs", "A CPU, threads 1", "0123456+")
    assert row.command == "python train.py -m model=gps dataset=zinc seed=0,1,2"


def test_runs_without_a_value_do_not_count(run, tmp_path):
    run(float("nan"))
    assert ledger(load(tmp_path)) == []
    run(0.07, seed=1)
    assert [(row.runs, row.seeds) for row in ledger(load(tmp_path))] == [(1, 1)]


def test_what_departs_is_named_and_less_training_is_short(run, tmp_path):
    run(0.08, ("model=gps", "dataset=zinc", "trainer.max_epochs=3", "optimizer.lr=0.001"))
    (row,) = ledger(load(tmp_path))
    assert (row.short, row.departures) == ("short", "trainer.max_epochs=3 optimizer.lr=0.001")


def test_folds_that_are_missing_are_a_departure(run, tmp_path):
    for fold in range(5):
        run(0.07, dataset={"_target_": "gnnlab.datasets.csl.CSL", "fold": fold})
        expected = "folds=4/5" if fold == 3 else ""
        assert fold < 3 or ledger(load(tmp_path))[0].departures == expected


def test_runs_without_the_preset_are_no_attempt(run, make_run, tmp_path):
    make_run(0.07, ("model=gps", "dataset=zinc", "preset=none"))
    assert ledger(load(tmp_path)) == []


def test_the_configuration_nearest_to_the_published_one_counts(run, tmp_path):
    run(0.9, ("model=gps", "dataset=zinc", "trainer.max_epochs=3"), model__dim=32)
    run(0.071)
    run(0.5, ("model=gps", "dataset=zinc", "optimizer.lr=1"), optimizer__lr=1)
    (row,) = ledger(load(tmp_path))
    assert row.mean == 0.071


def test_without_a_published_deviation_ours_is_the_measure(run, tmp_path, monkeypatch):
    monkeypatch.setattr("gnnlab.results.ledger.cells", lambda: [BARE])
    run(0.08)
    assert ledger(load(tmp_path))[0].deviation is None
    run(0.10, seed=1)
    assert ledger(load(tmp_path))[0].deviation == pytest.approx(0.02 / (0.02 / 2**0.5))


def test_the_summary_counts_within_one_and_two(run, tmp_path):
    run(0.073)
    assert "Published cells: 1; 1 within one standard deviation, 1 within two.\n" in summary(ledger(load(tmp_path)))
    run(0.2, seed=2)
    text = summary(ledger(load(tmp_path)))
    assert "  +16.6  zinc gps encoding=[rwse] model.dim=64: 0.1365, published 0.070 ± 0.004\n" in text


def test_the_command_writes_a_table(run, tmp_path, capsys):
    run(0.073)
    assert main(["ledger", str(tmp_path / "runs"), "-o", str(tmp_path / "ledger.csv")]) == 0
    assert capsys.readouterr().out.startswith("Published cells: 1;")
    (row,) = csv.DictReader((tmp_path / "ledger.csv").open())
    assert (row["dataset"], row["published_mean"], row["mean"], row["source"]) == ("zinc", "0.070", "0.073", "A 2022")


def test_rows_of_other_cells_stay(run, tmp_path, monkeypatch):
    run(0.073)
    (row,) = ledger(load(tmp_path / "runs"))
    other, older = replace(row, dataset="aqsol", std=0.1, published_epochs=None), replace(row, mean=0.5)
    monkeypatch.setattr("gnnlab.results.ledger.cells", lambda: [CELL, replace(CELL, dataset="aqsol")])
    write([other, older], tmp_path / "ledger.csv")
    assert merged([row], tmp_path / "ledger.csv") == [other, row]
    assert merged([row], tmp_path / "none.csv") == [row]


@pytest.mark.parametrize(("change", "stays"), [({"runs": 2}, True), ({"departures": "a=1"}, False)])
def test_the_better_row_of_a_cell_stays(run, tmp_path, change, stays):
    run(0.073)
    (row,) = ledger(load(tmp_path / "runs"))
    write([replace(row, **change)], tmp_path / "ledger.csv")
    assert (merged([row], tmp_path / "ledger.csv") != [row]) == stays


def test_a_row_goes_whose_published_value_has_changed(run, tmp_path):
    run(0.073)
    (row,) = ledger(load(tmp_path / "runs"))
    write([replace(row, published_mean="0.5", runs=9)], tmp_path / "ledger.csv")
    assert merged([], tmp_path / "ledger.csv") == []


def test_a_file_that_is_no_ledger_is_not_overwritten(tmp_path):
    (tmp_path / "ledger.csv").write_text("job,mean\na,0.1\n")
    with pytest.raises(UsageError, match="is no ledger of this version"):
        merged([], tmp_path / "ledger.csv")
