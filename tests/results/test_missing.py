"""A test without a value (AUC of one class) takes nothing else with it: it is missing, and is said to be."""

import math

import pytest

from gnnlab import pipeline
from gnnlab.results.__main__ import main
from gnnlab.results.formats import MOST, not_counted
from gnnlab.results.report import report
from gnnlab.results.runs import load
from gnnlab.results.table import tabulate


@pytest.fixture(params=[None, math.nan], ids=["null", "as older runs wrote it"])
def runs(make_run, tmp_path, request):
    """Three seeds, the last of which has no test value."""
    for seed, mae in enumerate((0.1, 0.3)):
        make_run(mae, seed=seed)
    make_run(0.2, seed=2, result={"test": {"loss": 0.2, "mae": request.param}})
    return load(tmp_path)


def test_a_table_counts_the_others_and_names_it(runs, tmp_path, capsys):
    assert main(["table", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "0.2000 ± 0.1414 (2) | 0.4000 ± 0.2000 (3)" in shown
    assert "Not counted:\n- " in shown
    assert "/seed2: test/mae has no value" in shown
    assert tabulate(runs, metrics=["test"]).missing == [f"{runs[2].name}: test/mae has no value"]
    assert tabulate(runs, metrics=["val"]).missing == []


def test_of_many_the_first_are_named():
    (text,) = not_counted([f"runs/seed{seed}: failed" for seed in range(MOST + 3)])
    assert text.count("failed") == MOST
    assert text.endswith("- … and 3 more: `python -m gnnlab.results status` lists them")


def test_comparisons_leave_its_pair_out(runs, make_run, tmp_path, capsys):
    for seed in range(3):
        make_run(0.5, seed=seed, model__dim=32)
    assert main(["compare", "model.dim=64", "model.dim=32", "--in", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "0.2000 ± 0.1414 (2)" in shown
    assert f"- A: {runs[2].name}: test/mae has no value" in shown
    assert "/seed2: no partner in A" in shown


def test_a_report_is_made(runs, make_run, tmp_path):
    make_run(0.1, model__dim=32, result={"test": {"mae": None}})
    page = report(load(tmp_path), "some")
    assert page.index("0.2000 ± 0.1414 (2)") < page.index(">0.2000 (1)"), "who has no value comes last"
    assert report([run for run in load(tmp_path) if run.metric("test") is None], "none")


def test_the_last_line_of_all_folds_counts_the_others(runs, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(pipeline, "folds", lambda cfg: runs)
    monkeypatch.setattr(pipeline, "run", lambda run, watch: run)
    assert pipeline.objective(None) == pytest.approx(0.4)  # type: ignore[arg-type]
    assert "test mae 0.1000 0.3000 –" in caplog.text
    assert "test mae 0.2000 ± 0.1414 over 2 folds" in caplog.text


def test_a_sweep_keeps_its_table(runs, tmp_path):
    shown = tabulate([run for run in runs if run.config["seed"] == 2])
    assert [row.values for row in shown.rows] == [{"test/mae": [], "val/mae": [0.4]}]
    assert shown.missing == [f"{runs[2].name}: test/mae has no value"]
