"""Pruning as a method: exact counts at the end, whatever the model and the sparsifier, resumption, and refusals."""

import json
from itertools import cycle
from pathlib import Path

import pytest
import torch

from gnnlab import compose, prepare, run
from gnnlab.config import build, conf_dir
from gnnlab.errors import UsageError
from gnnlab.pruning.macs import macs_per_graph
from gnnlab.pruning.projection import project
from gnnlab.pruning.prunable import prunable
from gnnlab.pruning.ramps import cubic
from gnnlab.pruning.rules import num_kept
from gnnlab.results.__main__ import main
from gnnlab.testing import sample_for, sample_spec
from tests.interrupted import assert_resumes, fit, tiny, weights_of

NAMES = sorted(path.stem for path in (conf_dir() / "pruning").glob("*.yaml") if path.stem != "none")
MODELS = {"gcn": "PlainGraphs", "gat": "PlainNodes", "gin": "OneGraph", "gps": "Graphs"}


def count(model: torch.nn.Module, also: tuple = ()) -> tuple[int, int]:
    """Weights that are not 0, and all of them."""
    weights = prunable(model, also).values()
    return sum(int(weight.count_nonzero()) for weight in weights), sum(weight.numel() for weight in weights)


@pytest.mark.parametrize(("name", "model"), [*zip(NAMES + NAMES[::-1], cycle(MODELS), strict=False)])
def test_the_share_that_stays_is_exact(tmp_path: Path, name: str, model: str) -> None:
    cfg = tiny(tmp_path, MODELS[model], f"model={model}", f"pruning={name}", "pruning.keep=0.4", "trainer.max_epochs=5")
    made, _ = fit(cfg, tmp_path / "run")
    left, total = count(made.model)
    if name == "granet":  # what it lets in at 0 stays there where a unit is dead
        assert left <= num_kept(total, 0.4)
        left = sum(int(mask.sum()) for mask in made.phases[-1].state["masks"].kept.values())
    assert left == num_kept(total, 0.4)


@pytest.mark.parametrize("name", NAMES)
def test_averaged_weights_have_no_more(tmp_path: Path, name: str) -> None:
    cfg = tiny(tmp_path, "PlainNodes", "model=gcn", f"pruning={name}", "pruning.keep=0.4", "trainer.ema=0.7")
    made, _ = fit(cfg, tmp_path / "run")
    left, total = count(made.model)
    assert left == num_kept(total, 0.4)


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_any_time_it_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    """Two steps an epoch."""
    further = ["pruning.rounds=2", "pruning.rewind=1"] if name == "lottery" else []
    asked = ("model=gcn", "model.dropout=0.3", f"pruning={name}", "pruning.keep=0.4", "trainer.ema=0.7", *further)
    cfg = tiny(tmp_path, "PlainGraphs", *asked)
    total = sum(2 * phase.epochs for phase in prepare(cfg).phases)
    assert_resumes(cfg, tmp_path, stops=[stop for stop in (1, 4, 7, 9, 12, 18) if stop < total])


@pytest.mark.parametrize("name", NAMES)
def test_keep_one_is_the_run_without(tmp_path: Path, name: str) -> None:
    plain, result = fit(tiny(tmp_path, "PlainGraphs", "model=gcn"), tmp_path / "plain")
    made, same = fit(tiny(tmp_path, "PlainGraphs", "model=gcn", f"pruning={name}", "pruning.keep=1"), tmp_path / "kept")
    found = weights_of(made)
    assert (same.history, same.test) == (result.history, result.test)
    assert all(torch.equal(value, found[key]) for key, value in weights_of(plain).items())


@pytest.mark.parametrize("name", NAMES)
def test_it_composes_with_a_sparsifier_of_its_own_phases(tmp_path: Path, name: str) -> None:
    asked = ("model=gat", "sparsifier=teddy", "sparsifier.keep=0.6", f"pruning={name}", "pruning.keep=0.5")
    made, result = fit(tiny(tmp_path, "PlainGraphs", *asked), tmp_path / "run")
    left, total = count(made.model)
    assert left == num_kept(total, 0.5)
    assert [row["phase"] for row in result.history][:8] == ["dense"] * 4 + ["sparse"] * 4
    assert made.last["val"].packed.num_edges < made.loaders["val"].packed.num_edges


@pytest.mark.parametrize("name", ["l0", "lottery"])
def test_a_run_is_reported_and_verified_to_the_digit(tmp_path: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    run(tiny(tmp_path, "PlainGraphs", "model=gin", "sparsifier=random", f"pruning={name}", "pruning.keep=0.3"))
    (folder,) = (tmp_path / "runs").glob("*/seed0")
    told = json.loads((folder / "result.json").read_text())["method"]
    assert told["weights_kept"] == pytest.approx(0.3, abs=1e-3)
    assert told["edges_kept"] == pytest.approx(0.8, abs=0.1)
    assert main(["verify", str(folder), "--allow", "tests"]) == 0
    assert "DIFFERS" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gradual", "granet"])
def test_between_two_cuts_the_share_is_that_of_the_last(tmp_path: Path, name: str) -> None:
    asked = (f"pruning={name}", "pruning.keep=0.4", "pruning.every=4", "trainer.max_epochs=10")
    made = prepare(tiny(tmp_path, "PlainGraphs", "model=gcn", *asked))
    hook = made.phases[-1].on_epoch_end
    assert hook is not None
    told = [(hook(made.model, epoch) or {})["weights_kept"] for epoch in range(10)]
    assert told == pytest.approx([1.0] * 5 + [cubic(4 / 6, 0.4)] * 2 + [0.4] * 3)


def test_the_ticket_of_a_lottery_has_the_initial_weights(tmp_path: Path) -> None:
    cfg = tiny(tmp_path, "PlainGraphs", "model=gcn", "pruning=lottery", "pruning.rounds=1")
    made = prepare(cfg)
    start = weights_of(made)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.add_(torch.randn_like(parameter))
    assert made.phases[1].on_start is not None
    made.phases[1].on_start(made.model)
    for name, value in made.model.named_parameters():
        assert torch.equal(value[value != 0], start[name][value != 0])


def test_the_first_training_of_a_lottery_does_not_end_before_what_is_gone_back_to(tmp_path: Path) -> None:
    """Nothing is learnt, so that patience runs out at once."""
    asked = ("pruning=lottery", "pruning.rewind=5", "pruning.rounds=1", "trainer.patience=1", "optimizer.lr=0")
    _, result = fit(tiny(tmp_path, "PlainGraphs", "model=gcn", *asked, "trainer.max_epochs=8"), tmp_path / "run")
    assert [row["phase"] for row in result.history] == ["train"] * 6 + ["ticket 1"] * 2


def test_kinds_of_weights() -> None:
    cfg = compose("model=gps", "model/conv=gatedgcn", "model/mixer=mamba", "dataset=zinc", "encoding=[]", "preset=none")
    model = build(cfg.model, spec=sample_spec("graph"), encodings=[])
    everything, parameters = prunable(model, ("norms", "biases", "embeddings")), dict(model.named_parameters())
    assert {name.rpartition(".")[2] for name in parameters.keys() - everything.keys()} == {"log_A", "D"}
    plain, embeddings = prunable(model), prunable(model, ("embeddings",))
    assert all(parameter.dim() > 1 for parameter in plain.values())
    assert all("table" in name for name in embeddings.keys() - plain.keys())
    assert len(embeddings) > len(plain)


def test_macs_are_those_of_the_products_with_what_is_left() -> None:
    cfg = compose(
        "model=gcn", "dataset=zinc", "encoding=[]", "preset=none", "model.hidden_dim=16", "model.num_layers=2"
    )
    model = build(cfg.model, spec=sample_spec("node"), encodings=[])
    graphs = sample_for(model, level="node")
    dense = graphs.num_nodes * (2 * 16 * 16 + 16 * 8 + 8 * 4 + 4 * 3)
    assert macs_per_graph(model, [graphs.batch()]) == (round(dense / graphs.num_graphs),) * 2
    for weight in prunable(model).values():
        project([weight], 0.25)
    assert macs_per_graph(model, [graphs.batch()])[1] == pytest.approx(dense / graphs.num_graphs / 4, rel=1e-3)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("pruning=gradual pruning.begin=0.9", "pruning.begin=0.9 must lie before pruning.end=0.7"),
        ("pruning=gradual trainer.max_epochs=1", "raise trainer.max_epochs"),
        ("pruning=lottery pruning.rewind=4", "pruning.rewind=4 is not an epoch of 4"),
        ("pruning=magnitude pruning.rule=uniform_plus pruning.keep=0.01", "pruning.keep must be"),
        ("pruning=magnitude pruning.rule=erdos", "pruning.rule"),
        ("pruning=magnitude pruning.also=[bias]", "pruning.also"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, asked: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fit(tiny(tmp_path, "PlainGraphs", "model=gcn", *asked.split()), tmp_path / "run")
