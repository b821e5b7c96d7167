"""The table over runs says what a reader would compute by hand."""

import csv
import io
import json
import math
import subprocess
import sys

import pytest

from gnnlab.errors import UsageError
from gnnlab.results.__main__ import main
from gnnlab.results.formats import comma_separated, latex, markdown
from gnnlab.results.runs import load
from gnnlab.results.table import tabulate


def test_mean_and_sample_deviation_over_seeds(make_run, tmp_path):
    for seed, mae in enumerate((0.1, 0.2, 0.6)):
        make_run(mae, seed=seed)
    (row,) = csv.DictReader(io.StringIO(comma_separated(tabulate(load(tmp_path)))))
    assert float(row["test/mae mean"]) == pytest.approx(0.3)
    assert float(row["test/mae std"]) == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert row["test/mae n"] == "3"
    assert float(row["val/mae mean"]) == pytest.approx(0.6)
    assert (row["parameters"], row["graphs_per_second"]) == ("423717.0", "1000.0")


def test_markdown_is_aligned_and_states_its_rules(make_run, tmp_path):
    make_run(0.1, seed=0)
    make_run(0.2, seed=1)
    make_run(12.5, seed=0, overrides=("optimizer.lr=0.1",), optimizer__lr=0.1)
    text = markdown(tabulate(load(tmp_path)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[0].split("|")[1:6]] == [
        "dataset",
        "model",
        "optimizer.lr",
        "config",
        "test/mae",
    ]
    assert "0.1500 ± 0.0707 (2)" in text
    assert "12.5000 (1)" in text
    assert "test mae at the epoch of best validation mae" in text


def test_latex_escapes_and_balances(make_run, tmp_path):
    make_run(0.1, overrides=("trainer.max_epochs=5",), trainer__max_epochs=5)
    make_run(0.2, overrides=("trainer.max_epochs=6",), trainer__max_epochs=6)
    text = latex(tabulate(load(tmp_path)))
    table = text[: text.index("%")]
    assert r"trainer.max\_epochs" in table
    assert len({line.count(" & ") for line in table.splitlines() if line.endswith(r"\\")}) == 1
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1


def test_only_keys_that_tell_rows_apart_become_columns(make_run, tmp_path):
    make_run(
        0.1, overrides=("optimizer.lr=0.1", "trainer.max_epochs=5", "seed=0"), optimizer__lr=0.1, trainer__max_epochs=5
    )
    make_run(0.2, overrides=("trainer.max_epochs=5", "seed=1"), trainer__max_epochs=5, seed=1)
    table = tabulate(load(tmp_path))
    assert table.labels == ["dataset", "model", "optimizer.lr", "config"]
    assert [row.labels[2] for row in table.rows] == ["0.001", "0.1"]


def test_without_overrides_the_differing_keys_are_shown(make_run, tmp_path):
    make_run(0.1)
    make_run(0.2, model__dim=32)
    assert "model.dim" in tabulate(load(tmp_path)).labels


def test_folds_and_seeds_of_one_configuration_share_a_row(make_run, tmp_path):
    for seed in (0, 1):
        for fold in (0, 1, 2):
            make_run(0.1, seed=seed, dataset__fold=fold)
    (row,) = tabulate(load(tmp_path)).rows
    assert len(row.values["test/mae"]) == 6


def test_grouping_by_named_keys(make_run, tmp_path):
    make_run(0.1, model__dim=32)
    make_run(0.3, model__dim=64)
    make_run(0.5, encoding__lappe={"_target_": "gnnlab.encodings.lappe.LapPE"})
    table = tabulate(load(tmp_path), by=["encoding", "model"])
    assert {tuple(row.labels): set(row.values["test/mae"]) for row in table.rows} == {
        ("rwse", "gps"): {0.1, 0.3},
        ("rwse+lappe", "gps"): {0.5},
    }


def test_the_newest_of_repeated_runs_counts(make_run, tmp_path):
    make_run(0.1, finished="2026-01-02")
    make_run(0.7, finished="2026-01-03")
    (row,) = tabulate(load(tmp_path)).rows
    assert row.values["test/mae"] == [0.7]


def test_failed_and_unfinished_runs_are_listed_until_they_succeed(make_run, tmp_path):
    make_run(0.1)
    failed = make_run(0.2, seed=1)
    (failed / "result.json").write_text(json.dumps({"status": "failed", "reason": "Loss is NaN in epoch 3.\nMore."}))
    (make_run(0.3, seed=2) / "result.json").unlink()
    table = tabulate(load(tmp_path))
    assert len(table.rows) == 1
    assert any("seed1: failed: Loss is NaN in epoch 3." in line for line in table.missing)
    assert any("seed2: unfinished" in line for line in table.missing)
    make_run(0.2, seed=1)
    assert [len(row.values["test/mae"]) for row in tabulate(load(tmp_path)).rows] == [2]
    assert len(tabulate(load(tmp_path)).missing) == 1


def test_any_recorded_number_is_a_metric(make_run, tmp_path):
    make_run(0.1)
    (row,) = tabulate(load(tmp_path), metrics=["last/val/mae", "seconds"]).rows
    assert row.values == {"last/val/mae": [pytest.approx(0.3)], "seconds": [1.5]}
    with pytest.raises(UsageError, match=r"test/acc.*test/mae"):
        tabulate(load(tmp_path), metrics=["test/acc"])
    with pytest.raises(UsageError, match=r"optimizer\.lrr.*did you mean optimizer\.lr\?"):
        tabulate(load(tmp_path), by=["optimizer.lrr"])


def test_the_command_line(make_run, tmp_path, capsys):
    make_run(0.1)
    assert main(["table", str(tmp_path), "--format", "csv", "--by", "model"]) == 0
    assert capsys.readouterr().out.startswith("model,test/mae mean")
    for wrong in ("nowhere", tmp_path / "runs" / "nothing"):
        assert main(["table", str(wrong)]) == 2
        assert "is not a folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["table", str(tmp_path / "empty")]) == 2
    assert "holds no runs" in capsys.readouterr().err


def test_tables_do_not_wait_for_torch():
    code = "import sys, gnnlab.results.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
