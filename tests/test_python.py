"""gnnlab from Python: a run gives its numbers and its model, now and when it is read again."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

import gnnlab
from gnnlab.config.hashing import decides
from gnnlab.errors import UsageError
from gnnlab.trained import TrainedRun

SMALL = ["dataset=csl", "model.num_layers=1", "trainer.max_epochs=2", "trainer.progress=false", "logger=csv"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("python")


def compose(place: Path, *more: str) -> DictConfig:
    return gnnlab.compose(*SMALL, f"out={place / 'runs'}", f"data.root={place / 'data'}", "resume=auto", *more)


@pytest.fixture(scope="module")
def run(place: Path) -> TrainedRun:
    return gnnlab.run(compose(place, "dataset.fold=1"))


def test_importing_it_imports_no_torch() -> None:
    program = "import sys, gnnlab; gnnlab.compose('model=gps'); assert not {'torch', 'pandas'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert {"build", "compose", "frame", "load", "prepare", "run", "__version__"} <= set(dir(gnnlab))
    assert all(callable(getattr(gnnlab, name)) for name in gnnlab._HOMES)
    assert set(gnnlab.__all__) == {"__version__", *gnnlab._HOMES}
    with pytest.raises(AttributeError, match="nothing"):
        _ = gnnlab.nothing


def test_a_run_has_numbers_history_and_model(run: TrainedRun) -> None:
    assert run.complete
    assert run.metric("test") == run.result["test"]["accuracy"]
    assert list(run.history().epoch) == [0, 1]
    model = run.model()
    assert not model.training
    made = run.prepare()
    assert not made.model.training
    with torch.no_grad():
        out = torch.cat([made.model(batch) for batch in made.loaders["test"].epoch(0)])
        again = torch.cat([model(batch) for batch in made.loaders["test"].epoch(0)])
    assert torch.equal(out, again)
    target = torch.cat([batch.y for batch in made.loaders["test"].epoch(0)])
    assert made.task.score(out, target)["accuracy"] == run.metric("test")


def test_a_run_remembers_what_was_asked_for(run: TrainedRun) -> None:
    assert (run.value("dataset"), run.value("model"), run.value("model/conv")) == ("csl", "gps", "gin")
    assert run.result["overrides"] == [text for text in (*SMALL, "dataset.fold=1") if decides(text.partition("=")[0])]
    assert run.folder.parent.name.startswith("csl-gps-")


def test_a_trained_run_is_kept_where_its_cost_cannot_be_counted(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def too_large(*_: object) -> int:
        raise torch.OutOfMemoryError("Tried to allocate 99 GiB.\nMore.")

    monkeypatch.setattr("gnnlab.costs.flops_per_graph", too_large)
    found = gnnlab.run(compose(place, "dataset.fold=2", "trainer.max_epochs=1", f"out={tmp_path}")).result
    assert (found["status"], found["flops_per_graph"], found["sums_per_graph"]) == ("complete", None, None)
    assert found["nonzeros"] == {}
    assert caplog.text.count("The FLOPs are not counted") == 1


def test_it_is_read_again(run: TrainedRun) -> None:
    again = gnnlab.load(str(run.folder))
    assert (again.config, again.result, again.folder) == (run.config, run.result, run.folder)
    assert repr(again) == repr(run)
    states = run.model().state_dict(), again.model().state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert gnnlab.run(again.composed()).folder == run.folder, "resume=auto finds it complete"


def test_several_folds_are_several_runs(place: Path) -> None:
    with pytest.raises(UsageError, match=r"dataset\.fold=all is 5 runs.*0 … 4"):
        gnnlab.run(compose(place, "dataset.fold=all"))


def test_a_folder_without_weights_has_no_model(run: TrainedRun, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((run.folder / "config.yaml").read_text())
    unfinished = gnnlab.load(tmp_path)
    assert not unfinished.complete
    with pytest.raises(UsageError, match=r"no best\.pt"):
        unfinished.model()
    with pytest.raises(UsageError, match="not a run folder"):
        gnnlab.load(tmp_path / "nowhere")


def test_runs_as_a_data_frame(run: TrainedRun, place: Path) -> None:
    other = gnnlab.run(compose(place, "dataset.fold=0", "optimizer.lr=0.5"))
    found = gnnlab.frame(place / "runs")
    assert list(found.columns[:6]) == ["dataset", "model", "optimizer.lr", "seed", "fold", "status"]
    assert set(found.index) == {str(run.folder), str(other.folder)}
    assert found.loc[str(other.folder), "optimizer.lr"] == 0.5
    assert found.loc[str(run.folder), "test/accuracy"] == run.metric("test")
    assert found.loc[str(run.folder), "parameters"] == run.result["parameters"]
    assert gnnlab.load(str(found["val/loss"].idxmin())).complete
    (other.folder / "result.json").unlink()
    assert set(gnnlab.frame(place / "runs").status) == {"complete", "unfinished"}
