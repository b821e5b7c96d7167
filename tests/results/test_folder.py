"""Run folders: fresh ones never collide, resumed ones are the right ones, and one process works in each."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import pytest
from omegaconf import OmegaConf

import gnnlab
from gnnlab.config import config_hash
from gnnlab.errors import UsageError
from gnnlab.files import write_text
from gnnlab.results import folder as module
from gnnlab.results.folder import RunFolder
from gnnlab.results.provenance import code
from gnnlab.results.runs import read_result


def interrupted(cfg) -> Path:
    with RunFolder.open(cfg) as folder:
        (folder.path / "checkpoint.pt").touch()
    return folder.path


def test_names_tell_dataset_model_seed_and_fold(make_cfg):
    with RunFolder.open(make_cfg(seed=3, dataset__fold=1)) as folder:
        assert folder.status == "fresh"
        assert folder.path.parent.name.startswith("zinc-gps-")
        assert folder.path.name == "seed3.fold1"
        assert OmegaConf.load(folder.path / "config.yaml") == make_cfg(seed=3, dataset__fold=1)


def test_names_are_those_of_the_options_in_python_too(tmp_path):
    cfg = gnnlab.compose("dataset=cora", "model=gcn", f"out={tmp_path}")
    with RunFolder.open(cfg) as folder:
        assert folder.path.parent.name.startswith("cora-gcn-")
    earlier = folder.path.parent.rename(tmp_path / f"planetoid-mpnn-{config_hash(cfg)}")
    with RunFolder.open(cfg) as folder:
        assert folder.path == earlier / "seed0.2", "one that has a folder keeps it"


def test_seeds_lie_together_and_configurations_apart(make_cfg):
    folders = [interrupted(make_cfg(**changes)).parent for changes in ({}, {"seed": 1}, {"model__dim": 32})]
    assert folders[0] == folders[1] != folders[2]


def test_fresh_runs_of_the_same_thing_are_numbered(make_cfg):
    assert [interrupted(make_cfg()).name for _ in range(3)] == ["seed0", "seed0.2", "seed0.3"]


def test_a_fresh_run_beside_an_unfinished_one_says_so(make_cfg, caplog):
    interrupted(make_cfg())
    interrupted(make_cfg())
    assert caplog.text.count("unfinished") == 1


def test_auto_continues_the_newest_unfinished_run(make_cfg):
    first, second = interrupted(make_cfg()), interrupted(make_cfg())
    interrupted(make_cfg(seed=1))
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert (folder.path, folder.status) == (second, "unfinished")
    assert first != second


def test_auto_begins_where_nothing_can_be_continued(make_cfg):
    interrupted(make_cfg(model__dim=32))
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert folder.status == "fresh"


def test_auto_returns_a_complete_run_with_its_result(make_cfg, make_run, caplog):
    path = make_run(0.25)
    caplog.set_level("INFO")
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert (folder.path, folder.status, folder.result["test"]["mae"]) == (path, "complete", 0.25)
    assert "complete" in caplog.text


def test_auto_retries_a_failed_run(make_cfg):
    path = interrupted(make_cfg())
    write_text(path / "result.json", '{"status": "failed", "reason": "NaN"}')
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert (folder.path, folder.status) == (path, "unfinished")


def test_a_path_continues_that_run(make_cfg):
    first = interrupted(make_cfg())
    interrupted(make_cfg())
    with RunFolder.open(make_cfg(), str(first)) as folder:
        assert (folder.path, folder.status) == (first, "unfinished")


def test_where_and_how_it_is_run_does_not_matter_for_resuming(make_cfg):
    first = interrupted(make_cfg())
    with RunFolder.open(
        make_cfg(data__root="elsewhere", trainer__device="cpu", resume=str(first)), str(first)
    ) as folder:
        assert folder.path == first


def test_a_path_of_another_run_names_the_keys_that_differ(make_cfg):
    path = interrupted(make_cfg())
    with pytest.raises(UsageError, match=r"model\.dim: 64 there, 32 here") as caught:
        RunFolder.open(make_cfg(model__dim=32), str(path))
    assert "data" not in str(caught.value)
    with pytest.raises(UsageError, match="seed: 0 there, 1 here"):
        RunFolder.open(make_cfg(seed=1), str(path))


def test_a_path_that_is_no_run_is_refused(make_cfg, tmp_path):
    with pytest.raises(UsageError, match=r"no config\.yaml"):
        RunFolder.open(make_cfg(), str(tmp_path))


def test_a_second_process_is_refused_and_told_who_works_there(make_cfg):
    with RunFolder.open(make_cfg()) as folder:
        with pytest.raises(UsageError, match="in use by process"):
            RunFolder.open(make_cfg(), "auto")
        path = folder.path
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert folder.path == path


def test_a_killed_process_leaves_no_lock(make_cfg, tmp_path):
    OmegaConf.save(make_cfg(), tmp_path / "cfg.yaml")
    code = (
        "import os; from omegaconf import OmegaConf; from gnnlab.results.folder import RunFolder; "
        f"held = RunFolder.open(OmegaConf.load({str(tmp_path / 'cfg.yaml')!r})); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert (folder.path.name, folder.status) == ("seed0", "unfinished")


def test_of_two_that_begin_at_once_one_works(make_cfg, monkeypatch):
    hold, start, held = module._hold, Barrier(2), []

    def slowly(path):
        time.sleep(0.3)
        return hold(path)

    def begin(_):
        start.wait()
        with suppress(UsageError):  # in use
            held.append(RunFolder.open(make_cfg(), "auto"))

    monkeypatch.setattr(module, "_hold", slowly)
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(begin, range(2)))
    assert [folder.path.name for folder in held] == ["seed0"]


def test_auto_continues_no_other_run_of_the_same_name(make_cfg):
    path = interrupted(make_cfg())
    with RunFolder.open(make_cfg(dataset__normalize_features=False), "auto") as folder:
        assert folder.path == path, "a setting that came later, at its default"
    OmegaConf.save(make_cfg(model__dim=32), path / "config.yaml")
    with pytest.raises(UsageError, match=r"seed0 is another run \(model\.dim: 32 there, 64 here\).*resume=never"):
        RunFolder.open(make_cfg(), "auto")


@pytest.mark.parametrize("out", ["a_file/runs", "a_file", "/proc/runs"])
def test_an_output_folder_that_cannot_be_written(make_cfg, tmp_path, out):
    (tmp_path / "a_file").touch()
    with pytest.raises(UsageError, match="out=FOLDER"):
        RunFolder.open(make_cfg(out=str(tmp_path / out)))


def test_changed_code_is_told_and_does_not_stop_a_run(make_cfg, make_run, caplog):
    unfinished, complete = interrupted(make_cfg()), make_run(0.25, seed=1)
    for seed in (0, 1):
        RunFolder.open(make_cfg(seed=seed), "auto").close()
    assert "The code has changed" not in caplog.text
    for path in (unfinished, complete):
        (path / "code.json").write_text(json.dumps({**code(), "sources": "another"}))
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert folder.status == "unfinished"
    assert caplog.text.count("The code has changed since this run began: its result will be of both") == 1
    assert RunFolder.open(make_cfg(seed=1), "auto").status == "complete"
    assert caplog.text.count("The code has changed since this run began: it is of the earlier code") == 1


def test_changed_data_is_told_and_stops_half_a_run(make_cfg, caplog):
    with RunFolder.open(make_cfg(), data={"nodes.csv": "a"}) as folder:
        assert folder.status == "fresh"
    with RunFolder.open(make_cfg(), "auto", {"nodes.csv": "b"}) as folder:
        (folder.path / "checkpoint.pt").touch()  # only now it has begun
    for _ in range(2):
        with pytest.raises(UsageError, match=r"nodes\.csv.*resume=never begins anew"):
            RunFolder.open(make_cfg(), "auto", {"nodes.csv": "c"})
    with RunFolder.open(make_cfg(), "auto", {"nodes.csv": "b"}) as folder:
        write_text(folder.path / "result.json", '{"status": "complete"}')
    assert not caplog.text
    assert RunFolder.open(make_cfg(), "auto", {"nodes.csv": "c", "edges.csv": "d"}).status == "complete"
    assert "The data (nodes.csv, edges.csv) has changed since this run began: it is of the earlier data" in caplog.text


def test_changed_code_of_ones_own_is_told(make_cfg, tmp_path, monkeypatch, caplog):
    (tmp_path / "convs_of_mine.py").write_text("class Sum: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    cfg = make_cfg(model__conv={"_target_": "convs_of_mine.Sum"})
    interrupted(cfg)
    RunFolder.open(cfg, "auto").close()
    assert not caplog.text
    (tmp_path / "convs_of_mine.py").write_text("class Sum:\n    scale = 2\n")
    RunFolder.open(cfg, "auto").close()
    assert "Your convs_of_mine has changed since this run began: its result will be of both" in caplog.text


def test_another_place_is_told_where_a_run_goes_on(make_cfg, make_run, caplog):
    interrupted(make_cfg(ops="reference"))
    RunFolder.open(make_cfg(ops="reference"), "auto").close()
    assert not caplog.text
    RunFolder.open(make_cfg(ops="fused"), "auto").close()
    assert "This run began with ops reference and goes on with fused: last digits may differ." in caplog.text
    caplog.clear()
    make_run(0.1, seed=1)
    assert RunFolder.open(make_cfg(seed=1, ops="fused"), "auto").status == "complete"
    assert not caplog.text


@pytest.mark.parametrize("content", [None, "", "[]"])
def test_a_run_of_unknown_code_is_continued(make_cfg, caplog, content):
    record = interrupted(make_cfg()) / "code.json"
    record.unlink() if content is None else record.write_text(content)
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert folder.status == "unfinished"
    assert "The code has changed" not in caplog.text


def test_writing_is_all_or_nothing(tmp_path):
    write_text(tmp_path / "result.json", '{"status": "complete"}')
    with pytest.raises(TypeError):
        write_text(tmp_path / "result.json", None)
    assert read_result(tmp_path) == {"status": "complete"}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_damaged_result_counts_as_unfinished(make_cfg, make_run):
    path = make_run(0.1)
    (path / "result.json").write_text('{"status": "comp')
    with RunFolder.open(make_cfg(), "auto") as folder:
        assert folder.status == "unfinished"


@pytest.mark.slow
def test_all_processes_of_a_run_share_one_folder_or_one_refusal(make_cfg, tmp_path):
    OmegaConf.save(make_cfg(), tmp_path / "cfg.yaml")
    OmegaConf.save(make_cfg(out="/proc/runs"), tmp_path / "refused.yaml")
    (tmp_path / "work.py").write_text(
        "import sys\n"
        "from omegaconf import OmegaConf\n"
        "from gnnlab.errors import UsageError\n"
        "from gnnlab.results.folder import RunFolder\n"
        "from gnnlab.trainer import distributed\n"
        "with distributed.team():\n"
        "    with RunFolder.open(OmegaConf.load(sys.argv[1])) as folder:\n"
        "        print('works in', folder.path.name, flush=True)\n"
        "    try:\n"
        "        RunFolder.open(OmegaConf.load(sys.argv[2]))\n"
        "    except UsageError:\n"
        "        print('refused', flush=True)\n"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, str(tmp_path / "work.py"), str(tmp_path / "cfg.yaml"), str(tmp_path / "refused.yaml")]
    here = {**os.environ, "PYTHONPATH": str(Path(gnnlab.__file__).parents[1])}
    shown = subprocess.run(command, env=here, capture_output=True, text=True, check=True).stdout
    assert sorted(shown.splitlines()) == ["refused", "refused", "works in seed0", "works in seed0"]
