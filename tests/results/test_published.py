"""Published values are of parts that exist, in their metric, and stand beside the runs that they are of."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from gnnlab import compose
from gnnlab.config import build, conf_dir
from gnnlab.config.asked import asked
from gnnlab.results.formats import comma_separated, markdown
from gnnlab.results.published import NO_PRESET, Cell, beside, cells
from gnnlab.results.runs import Run, load
from gnnlab.results.table import tabulate

CELLS = cells()


def test_cells_are_told_apart_and_tagged():
    keys = [(cell.dataset, cell.model, cell.overrides, cell.source) for cell in CELLS]
    assert len(set(keys)) == len(keys) >= 200
    assert {cell.evidence for cell in CELLS} == {"S", "P", "2", "M"}
    assert all(float(cell.mean) > 0 and (not cell.std or float(cell.std) > 0) for cell in CELLS)


def test_shares_are_shares():
    assert all(float(cell.mean) <= 1 for cell in CELLS)


def test_cells_say_what_decides():
    assert all("model.hidden_dim" in cell.settings for cell in CELLS if "model.num_layers" in cell.settings)
    words = {"model/conv", "model.feed_forward", "encoding"}
    assert all(words <= cell.settings.keys() for cell in CELLS if cell.model == "gnnplus")


def test_parts_exist():
    for group in ("dataset", "model"):
        for name in {getattr(cell, group) for cell in CELLS}:
            assert (conf_dir() / group / f"{name}.yaml").exists()


@pytest.mark.parametrize("dataset", sorted({cell.dataset for cell in CELLS}))
def test_the_metric_is_that_of_the_data(dataset):
    cfg = compose("model=gcn", f"dataset={dataset}", "preset=none")
    metrics = {cell.metric for cell in CELLS if cell.dataset == dataset}
    assert metrics == {build(cfg.dataset, source=None).spec().metric}


def run_of(metric: str, *words: str) -> Run:
    """What a run of these words would be, as far as cells look."""
    cfg = compose(*words)
    config: Any = OmegaConf.to_container(cfg)
    return Run(Path(), config, {**vars(asked(cfg)), "metric": metric})


def check_that_its_command_is_of_it(cell: Cell) -> None:
    run = run_of(cell.metric, f"model={cell.model}", f"dataset={cell.dataset}", *cell.overrides.split())
    match = beside([run], "test", CELLS)
    assert match is not None
    assert match.cell == cell
    assert match.departures in ((), (NO_PRESET,))


@pytest.mark.parametrize("cell", CELLS[::25], ids=lambda cell: cell.command)
def test_commands_are_of_their_cell(cell: Cell):
    check_that_its_command_is_of_it(cell)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.command)
def test_all_commands_are_of_their_cell(cell: Cell):
    check_that_its_command_is_of_it(cell)


def test_gat_sep_has_no_self_loops():
    words = "model=prenorm", "dataset=minesweeper", "model/conv=gat"
    match = beside([run_of("roc_auc", *words, "model.conv.self_loops=false")], "test", CELLS)
    assert match is not None
    assert (match.cell.mean, match.exact) == ("0.9391", True)
    assert beside([run_of("roc_auc", *words)], "test", CELLS) is None


SMALL = Cell("zinc", "gps", "encoding=[rwse] model.dim=64", "mae", "0.070", "0.004", "A 2022", "2")
LARGE = Cell("zinc", "gps", "encoding=[rwse] model.dim=128", "mae", "0.060", "", "B 2023", "M")
OTHER = Cell("zinc", "gps", "encoding=[]", "mae", "0.113", "0.007", "A 2022", "M")


def test_words_must_agree_and_numbers_may_differ(make_run, tmp_path):
    make_run(0.1, model__dim=100)
    run = load(tmp_path)
    assert beside(run, "test/mae", [SMALL, OTHER]).cell == SMALL
    assert beside(run, "test", [LARGE]).cell == LARGE
    assert beside(run, "test/mae", [OTHER]) is None
    assert beside(run, "val/mae", [SMALL]) is None
    assert beside(run, "test/loss", [SMALL]) is None
    assert beside([], "test/mae", [SMALL]) is None


def test_the_nearest_setting_is_shown_and_others_are_marked(make_run, tmp_path):
    make_run(0.1, model__dim=128, overrides=("encoding=[rwse]", "model.dim=128"))
    (run,) = load(tmp_path)
    run.result["choices"]["preset"] = "gps_zinc"
    match = beside([run], "test/mae", [SMALL, LARGE])
    assert (match.cell, match.exact) == (LARGE, True)
    run.result["overrides"].append("trainer.max_epochs=3")
    assert not beside([run], "test/mae", [SMALL, LARGE]).exact
    run.result["overrides"][-1] = "out=elsewhere"
    assert beside([run], "test/mae", [SMALL, LARGE]).exact
    run.result["choices"]["preset"] = "none"
    assert not beside([run], "test/mae", [SMALL, LARGE]).exact


def test_runs_of_several_cells_have_none(make_run, tmp_path):
    make_run(0.1, model__dim=64)
    make_run(0.1, model__dim=128)
    assert beside(load(tmp_path), "test/mae", [SMALL, LARGE]) is None


def test_the_table_marks_what_is_not_verified(make_run, tmp_path, monkeypatch):
    make_run(0.1, model__dim=128)
    monkeypatch.setattr("gnnlab.results.table.cells", lambda: [LARGE])
    table = tabulate(load(tmp_path))
    text = markdown(table)
    assert "| published |" in text
    assert "0.060*†" in text
    assert "Published: B 2023. *: not verified against the source. †:" in text
    (row,) = csv.DictReader(io.StringIO(comma_separated(table)))
    assert (row["test/mae published mean"], row["test/mae published evidence"]) == ("0.060", "M")
