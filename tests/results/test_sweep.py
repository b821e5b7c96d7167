"""The table that ends a sweep counts the sweep's own jobs and no others."""

import json
import pickle
from math import nan
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from gnnlab.results.folder import RunFolder
from gnnlab.results.sweep import SweepTable


def job(table: SweepTable, cfg: DictConfig, work: Any) -> None:
    """What Hydra does for one job of a sweep."""
    table.on_job_start(cfg)
    ended = JobReturn(overrides=[f"seed={cfg.seed}"], cfg=cfg, status=JobStatus.COMPLETED)
    ended.return_value = work()
    table.on_job_end(cfg, ended)


def test_a_sweep_ends_with_the_table_of_its_runs(make_cfg, make_run, capsys, tmp_path):
    make_run(0.9, seed=7)
    table = SweepTable()
    table.on_multirun_start(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    for seed, mae in ((0, 0.1), (1, 0.3)):
        job(table, make_cfg(seed=seed), lambda seed=seed, mae=mae: make_run(mae, seed=seed) and 2 * mae)
    table.on_multirun_end(make_cfg())
    assert "0.2000 ± 0.1414 (2)" in capsys.readouterr().out


def test_all_folds_of_a_job_count(make_cfg, make_run, capsys):
    table = SweepTable()
    job(table, make_cfg(dataset__fold="all"), lambda: [make_run(0.1, dataset__fold=k) for k in range(5)] and 0.1)
    table.show()
    assert "(5)" in capsys.readouterr().out


def test_a_complete_run_that_resume_found_counts(make_cfg, make_run, capsys):
    make_run(0.1)
    table = SweepTable()
    job(table, make_cfg(), lambda: 0.2)
    table.show()
    assert "0.1000 (1)" in capsys.readouterr().out


def test_failed_jobs_are_named_and_older_runs_do_not_stand_in(make_cfg, make_run, capsys):
    make_run(0.1)
    make_run(0.1, seed=1)

    def diverge() -> float:
        with RunFolder.open(make_cfg()) as folder:
            failure = {"status": "failed", "reason": "Loss is NaN.", "finished": "9999"}
            (folder.path / "result.json").write_text(json.dumps(failure))
        return nan

    table = SweepTable()
    job(table, make_cfg(), diverge)
    job(table, make_cfg(seed=1), lambda: nan)
    table.show()
    shown = capsys.readouterr().out
    assert "0.1000" not in shown
    assert "seed0.2: failed: Loss is NaN." in shown
    assert "seed=1: no result" in shown


def test_what_jobs_in_other_processes_did_is_known(make_cfg, make_run, capsys, tmp_path):
    table = SweepTable()
    table.on_multirun_start(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    elsewhere = pickle.loads(pickle.dumps(table))
    job(elsewhere, make_cfg(), lambda: make_run(0.1) and 0.1)
    job(elsewhere, make_cfg(seed=1), lambda: nan)
    table.on_multirun_end(make_cfg())
    assert "0.1000 (1)" in capsys.readouterr().out
    assert SweepTable.failures == 1
    assert not list(tmp_path.glob("jobs-*"))
