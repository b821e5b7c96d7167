"""Methods that change how a model learns: any two together go through all their phases and keep their promises."""

from itertools import count
from pathlib import Path

import pytest

from gnnlab import compose, prepare
from gnnlab.config import build
from gnnlab.costs import costs
from gnnlab.prepared import Prepared
from tests.composition.covering import Covering, Row
from tests.composition.test_composition import failures, options
from tests.sparsifiers.parts import ranked_names

KEEP = 0.5
ROUNDS = ("ugs", "wdglt", "lottery")
SETTINGS = (
    "preset=none",
    "encoding=[]",
    "model.num_layers=2",
    "model.hidden_dim=16",
    "model.dropout=0.1",
    "scheduler=constant",
    "trainer.max_epochs=10",
    "trainer.device=cpu",
    "trainer.progress=false",
    "logger=[]",
    "allow=[tests]",
)


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of config files with two tiny data sets: some graphs, and the splits of one."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "dataset").mkdir()
    for name in ("Graphs", "OneGraph"):
        text = f"_target_: tests.composition.tiny.{name}\ntarget: multiclass\n"
        (folder / "dataset" / f"{name}.yaml").write_text(text)
    return folder


def fitted(row: Row, conf: Path, folder: Path) -> tuple[Prepared, dict]:
    """A run through all phases, and what its methods report."""
    folder.mkdir()
    choices = [f"{group}={option}" for group, option in row.items()]
    choices += [f"{group}.keep={KEEP}" for group in ("sparsifier", "pruning") if row[group] != "none"]
    choices += [f"{group}.rounds=2" for group, option in row.items() if option in ROUNDS]
    cfg = compose(*choices, *SETTINGS, f"data.root={folder / 'data'}", config_dir=conf)
    made = prepare(cfg)
    parts = build(cfg.optimizer), build(cfg.scheduler), [], folder, made.phases
    build(cfg.trainer).fit(made.model, made.task, made.loaders, *parts, resume=False)
    report: dict = {"nonzeros": costs(made).nonzeros}
    for method in made.methods:
        report |= method.report(made.model, made.last, folder)
    return made, report


def broken(row: Row, made: Prepared, report: dict) -> list[str]:
    """Promises that a run has not kept."""
    found = [f"{name} is not finite" for name, value in made.model.state_dict().items() if not value.isfinite().all()]
    if row["sparsifier"] not in ("none", "gtsp") and report["edges_kept"] > KEEP + 0.1:  # graphs of a few edges
        found.append(f"{report['edges_kept']:.2f} of the edges are kept")
    if row["sparsifier"] == "gtsp" and report["flops_kept"] > KEEP + 0.02:
        found.append(f"{report['flops_kept']:.2f} of the FLOPs are kept")
    if row["pruning"] != "none" and report["weights_kept"] > KEEP + 0.001:
        found.append(f"{report['weights_kept']:.3f} of the weights are kept")
    if not (left := report["nonzeros"]):
        found.append("its costs cannot be counted")
    elif row["pruning"] != "none" and left["weights"] >= sum(weight.numel() for weight in made.model.parameters()):
        found.append("no weight is 0")
    return found


def test_any_two_methods_keep_their_promises_together(conf: Path, tmp_path: Path) -> None:
    """Of the sparsifiers that rank edges and have no phases of their own, one stands for all."""
    groups = {group: options()[group] for group in ("aggregation", "sparsifier", "pruning")}
    groups["sparsifier"] = [
        name for name in groups["sparsifier"] if name in ("random", "teddy") or name not in ranked_names()
    ]
    covering = Covering({**groups, "model": ["gcn", "gps"], "dataset": ["Graphs", "OneGraph"]})
    folders = (tmp_path / str(number) for number in count())
    problems = failures(covering, lambda row: broken(row, *fitted(row, conf, next(folders))))
    assert not problems, "\n".join(problems)
