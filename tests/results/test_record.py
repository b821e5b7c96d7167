"""`result.json` holds what a reader of a paper would ask for."""

import errno
import json
import math

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from torch import nn

import gnnlab
from gnnlab.errors import RunStopped
from gnnlab.results.record import code, environment, record, record_failure
from gnnlab.results.runs import read
from gnnlab.spec import GraphSpec
from gnnlab.trainer.state import FitResult

SPEC = GraphSpec("zinc", "graph", "regression", 1, "mae")
MODEL = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1))


def fit() -> FitResult:
    best, last = {"epoch": 1, "val/mae": 0.25}, {"epoch": 2, "val/mae": 0.5}
    rows = [{"epoch": 0, "val/mae": 1.0}, best, last]
    return FitResult(rows, [], 1, best, last, {"loss": 0.3, "mae": 0.3}, "max_epochs", 12.0, 800.0, 64.0)


def test_a_result_can_be_read_back_and_says_how_it_was_chosen(make_cfg, tmp_path):
    (tmp_path / "metrics.csv").touch()
    result = record(make_cfg(seed=4, dataset__fold=2), tmp_path, SPEC, MODEL, fit(), flops=123)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert (result["seed"], result["fold"], result["parameters"], result["flops_per_graph"]) == (4, 2, 26, 123)
    assert (result["best_epoch"], result["epochs"], result["test"]["mae"]) == (1, 3, 0.3)
    assert result["rule"] == "test mae at the epoch of best validation mae"
    assert result["curves"] == ["metrics.csv"]


def test_numbers_survive_to_the_last_digit(make_cfg, make_run, tmp_path):
    folder = make_run(0.1)
    result = fit()
    result.test["mae"] = 0.1 + 0.2
    record(make_cfg(), folder, SPEC, MODEL, result)
    assert read(folder).metric("test/mae") == 0.1 + 0.2
    assert read(folder).metric("val/mae") == 0.25


def test_numbers_that_json_does_not_have_are_null(make_cfg, make_run):
    def refused(word):
        raise AssertionError(f"{word} is not JSON")

    folder, result = make_run(0.1), fit()
    result.test |= {"mae": math.nan, "loss": math.inf}
    result.peak_memory_mb = math.nan
    recorded = record(make_cfg(), folder, SPEC, MODEL, result)
    assert json.loads((folder / "result.json").read_text(), parse_constant=refused) == recorded
    assert recorded["test"] == {"mae": None, "loss": None}
    assert read(folder).metric("test") is read(folder).metric("peak_memory_mb") is None


@pytest.mark.parametrize(
    ("error", "reason"), [(RunStopped("Loss is NaN."), "Loss is NaN."), (KeyError("x"), "KeyError: 'x'")]
)
def test_a_failure_keeps_its_reason_and_traceback(make_cfg, tmp_path, error, reason):
    record_failure(make_cfg(), tmp_path, error)
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["status"], result["reason"]) == ("failed", reason)
    assert type(error).__name__ in (tmp_path / "error.txt").read_text()


def test_a_run_that_completes_after_a_failure_keeps_nothing_of_it(make_cfg, tmp_path):
    record_failure(make_cfg(), tmp_path, RunStopped("Out of memory."))
    record(make_cfg(), tmp_path, SPEC, MODEL, fit())
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_full_disk_does_not_hide_why_a_run_ended(make_cfg, tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gnnlab.results.record.write_text", full)
    record_failure(make_cfg(), tmp_path, RunStopped("Loss is NaN."))
    with pytest.raises(RunStopped, match=r"No space left on device.*resume=auto"):
        record(make_cfg(), tmp_path, SPEC, MODEL, fit())


def test_what_was_asked_for_in_python_is_recorded(tmp_path, monkeypatch):
    def recorded(cfg):
        record_failure(cfg, tmp_path, RunStopped("Loss is NaN."))
        result = json.loads((tmp_path / "result.json").read_text())
        return result["overrides"], result["choices"]

    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    cfg = gnnlab.compose("dataset=cora", "model=gcn", "seed=3", "trainer.max_epochs=2")
    cfg.seed = 4
    overrides, choices = recorded(cfg.copy())
    assert overrides == ["dataset=cora", "model=gcn", "trainer.max_epochs=2"]
    assert (choices["dataset"], choices["model"], choices["preset"]) == ("cora", "gcn", "gcn_cora")
    cfg.optimizer.lr = 7.0
    assert recorded(cfg) == ([], {}), "it is no longer what these words ask for"


def test_the_code_and_environment_are_named_without_host_or_user():
    assert set(code()) == {"commit", "dirty", "sources"}
    assert len(code()["sources"]) == 64
    assert environment()["torch"] == torch.__version__
    assert environment()["threads"] == torch.get_num_threads()
