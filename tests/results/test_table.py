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
from gnnlab.results.series import sets
from gnnlab.results.table import tabulate


def test_mean_and_sample_deviation_over_seeds(make_run, tmp_path):
    for seed, mae in enumerate((0.1, 0.2, 0.6)):
        make_run(mae, seed=seed)
    (row,) = csv.DictReader(io.StringIO(comma_separated(tabulate(load(tmp_path)))))
    assert float(row["test/mae mean"]) == pytest.approx(0.3)
    assert float(row["test/mae std"]) == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert row["test/mae n"] == "3"
    assert float(row["val/mae mean"]) == pytest.approx(0.6)
    assert (row["parameters"], row["graphs_per_second"]) == ("423717", "1000.0")


def test_markdown_is_aligned_and_states_its_rules(make_run, tmp_path):
    make_run(0.1, seed=0)
    make_run(0.2, seed=1)
    make_run(12.5, seed=0, overrides=("optimizer.lr=0.1",), optimizer__lr=0.1)
    text = markdown(tabulate(load(tmp_path)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    header = [cell.strip() for cell in lines[0].split("|")[1:-1]]
    assert header == ["optimizer.lr", "config", "test/mae", "val/mae", "parameters", "graphs/s"]
    assert "dataset zinc, model gps." in text
    assert "0.1500 ± 0.0707 (2)" in text
    assert "12.5000 (1)" in text
    assert "test mae at the epoch of best validation mae" in text


def test_runs_made_from_python_are_told_apart_by_their_encodings(make_run, tmp_path):
    """Nothing was typed: no overrides."""
    spe = {"_target_": "gnnlab.encodings.spe.SPE", "k": 8}
    make_run(0.1)
    make_run(0.2, encoding__spe=spe)
    table = tabulate(load(tmp_path))
    assert table.labels == ["encoding", "config"]
    assert [row.labels[0] for row in table.rows] == ["rwse", "rwse+spe"]


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
    assert table.labels == ["optimizer.lr", "config"]
    assert [row.labels[0] for row in table.rows] == ["0.001", "0.1"]
    assert table.constant == {"dataset": "zinc", "model": "gps"}


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
    make_run(0.1)
    make_run(0.3, seed=1)
    make_run(0.5, encoding__lappe={"_target_": "gnnlab.encodings.lappe.LapPE"})
    table = tabulate(load(tmp_path), by=["encoding", "model"])
    assert table.pooled == []
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


def test_columns_of_a_key(make_run, tmp_path):
    for dim, values in {32: (0.1, 0.3), 64: (0.5, 0.7)}.items():
        for lr, mae in zip((0.01, 0.1), values, strict=True):
            make_run(mae, model__dim=dim, optimizer__lr=lr)
    table = tabulate(load(tmp_path), by=["model.dim"], columns=["optimizer.lr"], costs=["parameters"])
    assert table.metrics == ["lr=0.01 test/mae", "lr=0.1 test/mae"]
    assert table.costs == ["lr=0.01 parameters", "lr=0.1 parameters"]
    assert [(row.labels, list(row.values.values())) for row in table.rows] == [
        (["32"], [[0.1], [0.3]]),
        (["64"], [[0.5], [0.7]]),
    ]
    assert "lr=0.1 parameters" in markdown(table)


def test_a_place_without_runs_is_a_dash(make_run, tmp_path):
    make_run(0.1, model__dim=32, optimizer__lr=0.1)
    make_run(0.2, model__dim=64, optimizer__lr=0.2)
    text = markdown(tabulate(load(tmp_path), by=["model.dim"], columns=["optimizer.lr"]))
    assert text.count("–") == 2


def test_several_metrics_share_the_columns(make_run, tmp_path):
    make_run(0.1)
    other = make_run(0.2, model__dim=32)
    result = json.loads((other / "result.json").read_text())
    result |= {"metric": "ap", "rule": "test ap at the epoch of best validation ap", "choices": {"dataset": "func"}}
    result |= {"test": {"ap": 0.7}, "best": {"epoch": 0, "val/ap": 0.8}}
    (other / "result.json").write_text(json.dumps(result))
    table = tabulate(load(tmp_path))
    assert table.metrics == ["test", "val"]
    assert "metric" in table.labels
    assert sorted(row.values["test"][0] for row in table.rows) == [0.1, 0.7]
    assert table.rules == ["test at the epoch of best validation"]
    pivot = tabulate(load(tmp_path), columns=["dataset"])
    assert pivot.metrics == ["func test/ap", "zinc test/mae"]


def test_nested_numbers_and_counts_that_differ(make_run, tmp_path):
    for seed, (edges, parameters) in enumerate(((0.5, 100), (0.7, 2000))):
        run = make_run(0.1, seed=seed)
        result = json.loads((run / "result.json").read_text())
        result |= {"method": {"sparsity": {"edges": edges}}, "parameters": parameters, "flops_per_graph": None}
        (run / "result.json").write_text(json.dumps(result))
    table = tabulate(load(tmp_path), costs=["method.sparsity.edges", "parameters"])
    assert table.rows[0].costs["method.sparsity.edges"] == [0.5, 0.7]
    assert "100–2,000" in markdown(table)
    assert "flops_per_graph" not in tabulate(load(tmp_path)).costs
    with pytest.raises(UsageError, match=r"method\.edges.*method\.sparsity\.edges"):
        tabulate(load(tmp_path), costs=["method.edges"])


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"mae": 1}'])
def test_a_half_written_result_is_unfinished(make_run, tmp_path, text):
    (make_run(0.1) / "result.json").write_text(text)
    table = tabulate(load(tmp_path))
    assert table.rows == []
    assert "unfinished" in table.missing[0]
    assert markdown(table).startswith("\nNot counted:") or markdown(table).startswith("Not counted:")


def test_latex_is_a_table_of_booktabs_with_every_special_sign_escaped(make_run, tmp_path):
    make_run(0.1, overrides=("model.note=1",), model__note="50% & {#1} ~x^2 \\ $_<*>")
    make_run(0.2, overrides=("model.note=2",), model__note="plain")
    text = latex(tabulate(load(tmp_path)))
    body = text[: text.index("% Needs")]
    for left in ("table", "tabular"):
        assert body.count(rf"\begin{{{left}}}") == body.count(rf"\end{{{left}}}") == 1
    escaped = (
        r"50\% \& \{\#1\} \textasciitilde{}x\textasciicircum{}2 \textbackslash{} "
        r"\$\_\textless{}$^{*}$\textgreater{}"
    )
    assert escaped in body
    assert body.count("{") - body.count(r"\{") == body.count("}") - body.count(r"\}")
    assert "±" not in body
    assert "config" not in body


def test_a_row_never_mixes_data_sets_and_runs_can_be_chosen(make_run, tmp_path, capsys):
    make_run(0.1, overrides=("dataset=zinc",))
    make_run(0.3, dataset___target_="gnnlab.datasets.zinc.ZINCFull", overrides=("dataset=zinc_full",), seed=1)
    for folder, name in zip(sorted(tmp_path.rglob("result.json")), ("zinc", "zinc_full"), strict=True):
        result = json.loads(folder.read_text())
        folder.write_text(json.dumps(result | {"choices": {"dataset": name, "model": "gps"}}))
    assert main(["table", str(tmp_path), "--by", "model"]) == 2
    assert "--by model would mix zinc, zinc_full in a row: add dataset" in capsys.readouterr().err
    assert main(["table", str(tmp_path), "--by", "model", "--where", "dataset=zinc_full"]) == 0
    assert "0.3000 (1)" in capsys.readouterr().out


def test_a_row_of_several_configurations_says_so(make_run, tmp_path, capsys):
    make_run(0.1, seed=0, model__dim=32)
    make_run(0.3, seed=1, model__dim=64)
    said = "gps pools 2 configurations, which differ in model.dim."
    assert main(["table", str(tmp_path), "--by", "model"]) == 0
    shown = capsys.readouterr()
    assert said in shown.out
    assert shown.err == ""
    assert main(["table", str(tmp_path), "--by", "model", "--format", "csv"]) == 0
    shown = capsys.readouterr()
    assert said in shown.err
    assert said not in shown.out


def test_a_row_holds_a_seed_and_fold_once(make_run, tmp_path, capsys):
    for dim in (32, 64):
        make_run(0.1 * dim, seed=3, dataset__fold=1, model__dim=dim)
    assert main(["table", str(tmp_path), "--by", "model"]) == 2
    refused = "--by model would pool 2 configurations, which differ in model.dim, and 2 of them have seed 3 and fold 1"
    assert f"{refused}: add model.dim to --by" in capsys.readouterr().err
    assert main(["table", str(tmp_path), "--by", "model,model.dim"]) == 0
    assert main(["table", str(tmp_path), "--by", "model", "--columns", "model.dim"]) == 0
    assert main(["table", str(tmp_path), "--by", "model", "--where", "model.dim=32"]) == 0


def test_a_line_in_a_cell_does_not_end_it(make_run, tmp_path):
    make_run(0.1, model__note="a|b")
    make_run(0.2, model__note="c")
    first = markdown(tabulate(load(tmp_path), by=["model.note"])).splitlines()[2]
    assert first.startswith(r"| a\|b")
    assert first.replace(r"\|", "").count("|") == 6


def test_two_folders_are_two_data_sets(make_run, tmp_path):
    for seed, name in enumerate("ab"):
        result = {"dataset": name, "choices": {"dataset": "folder", "model": "gps"}}
        make_run(0.1, dataset__path=f"data/{name}", seed=seed, result=result)
    with pytest.raises(UsageError, match=r"would mix folder \(a\), folder \(b\) in a row: add dataset\.path to"):
        tabulate(load(tmp_path), by=["model"])
    assert len(tabulate(load(tmp_path), by=["model", "dataset.path"]).rows) == 2
    assert sorted(sets(load(tmp_path), ["model"], ["test"])) == ["folder (a)", "folder (b)"]


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("Planetoid", "citeseer", "mix citeseer, cora in a row: add dataset to"),
        ("PlanetoidGeomGCN", "cora", r"cora \(PlanetoidGeomGCN\).* in a row: add dataset\._target_ to"),
    ],
)
def test_runs_that_recorded_no_choices_are_of_the_data_they_name(make_run, tmp_path, kind, name, message):
    for seed, data in enumerate(((kind, name), ("Planetoid", "cora"))):
        section = {"_target_": f"gnnlab.datasets.planetoid.{data[0]}", "name": data[1]}
        make_run(0.1, dataset=section, seed=seed, result={"dataset": data[1], "choices": {}})
    with pytest.raises(UsageError, match=message):
        tabulate(load(tmp_path), by=["model"])


def test_a_damaged_run_is_passed_over(make_run, tmp_path, caplog):
    make_run(0.1)
    damaged = make_run(0.2, seed=1)
    (damaged / "config.yaml").write_text("seed: [")
    assert len(tabulate(load(tmp_path)).rows[0].values["test/mae"]) == 1
    assert "Passed over: Cannot read" in caplog.text
    with pytest.raises(UsageError, match=r"Cannot read .*config\.yaml"):
        load(damaged)


def test_only_a_command_that_writes_says_it_cannot_write(make_run, tmp_path, capsys, monkeypatch):
    def fails(options):
        raise OSError("out of files")

    make_run(0.1)
    for command in ("table", "ledger"):
        monkeypatch.setattr(f"gnnlab.results.__main__._{command}", fails)
        assert main([command, str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert ("Cannot write" in error) == (command == "ledger")
        assert "out of files" in error
        assert "None" not in error


def test_a_reader_that_has_enough_ends_a_table_in_silence(make_run, tmp_path):
    make_run(0.1)
    command = [sys.executable, "-m", "gnnlab.results", "table", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""
    assert process.returncode == 0
