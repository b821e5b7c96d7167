"""TEDDY as a method: phases, teacher, projection, resumption; it is the dense run where nothing is taken away."""

import json
from pathlib import Path

import pytest
import torch

from gnnlab import prepare, run
from gnnlab.pruning.prunable import prunable
from gnnlab.results.__main__ import main
from gnnlab.sparsifiers.distill import Teacher, divergence
from tests.interrupted import assert_resumes, fit, tiny, weights_of

TEDDY = ("sparsifier=teddy", "sparsifier.keep=0.6", "sparsifier.keep_weights=0.5", "sparsifier.distill=1")
STOPS = {"PlainGraphs": (3, 9, 14), "OneGraph": (3, 4, 5, 7)}
MODEL = ("model=gcn", "model.dropout=0.3")


@pytest.mark.parametrize("dataset", ["PlainGraphs", "PlainNodes"])
def test_with_nothing_taken_away_it_is_the_dense_run_to_the_bit(tmp_path: Path, dataset: str) -> None:
    nothing = ("sparsifier=teddy", "sparsifier.keep=1", "sparsifier.distill=0", "sparsifier.keep_weights=1")
    dense, result = fit(tiny(tmp_path, dataset, *MODEL), tmp_path / "dense")
    teddy, same = fit(tiny(tmp_path, dataset, *MODEL, *nothing), tmp_path / "teddy")
    assert (same.history, same.test) == (result.history, result.test)
    found = weights_of(teddy)
    assert all(torch.equal(value, found[name]) for name, value in weights_of(dense).items())


@pytest.mark.parametrize("dataset", ["PlainGraphs", "PlainNodes"])
def test_the_teacher_is_the_dense_run(tmp_path: Path, dataset: str) -> None:
    """It has the dense run's weights and says what they say, and the student begins where it began."""
    dense, _ = fit(tiny(tmp_path, dataset, *MODEL), tmp_path / "dense")
    cfg = tiny(tmp_path, dataset, *MODEL, *TEDDY)
    start, (teddy, result) = weights_of(prepare(cfg)), fit(cfg, tmp_path / "teddy")
    assert [row["phase"] for row in result.history] == ["dense"] * 4 + ["sparse"] * 4
    teacher = teddy.phases[1].state["teacher"]
    assert isinstance(teacher, Teacher)
    with torch.no_grad():
        torch.testing.assert_close(dense.model.eval()(teacher.graphs.batch()), teacher.logits)
    assert teddy.phases[1].on_start is not None
    teddy.phases[1].on_start(teddy.model)
    assert all(torch.equal(value, start[name]) for name, value in weights_of(teddy).items())


@pytest.mark.parametrize("dataset", ["PlainGraphs", "PlainNodes", "Edges"])
def test_batches_find_what_the_teacher_says_of_them(tmp_path: Path, dataset: str) -> None:
    made = prepare(tiny(tmp_path, dataset, *MODEL, *TEDDY))
    teacher = made.phases[1].state["teacher"]
    assert isinstance(teacher, Teacher)
    teacher.learn(made.model)
    for batch in made.loaders["train"].over(teacher.graphs).epoch(3):
        with torch.no_grad():
            out = made.model(batch)
        torch.testing.assert_close(teacher.said(batch), out)
        torch.testing.assert_close(teacher.objective(made.model, out, batch), torch.tensor(0.0))


@pytest.mark.parametrize("also", ["[]", "[biases]", "[norms,biases]"])
def test_the_counts_after_projection_are_exact(tmp_path: Path, also: str) -> None:
    cfg = tiny(tmp_path, "PlainNodes", "model=gin", *TEDDY, f"sparsifier.also={also}")
    teddy, _ = fit(cfg, tmp_path / "teddy")
    weights = prunable(teddy.model, tuple(cfg.sparsifier.also)).values()
    total = sum(weight.numel() for weight in weights)
    assert sum(int(weight.count_nonzero()) for weight in weights) == total - -(-total // 2)


def test_averaged_weights_are_projected_too(tmp_path: Path) -> None:
    teddy, _ = fit(tiny(tmp_path, "PlainNodes", *MODEL, *TEDDY, "trainer.ema=0.5"), tmp_path / "teddy")
    weights = prunable(teddy.model).values()
    total = sum(weight.numel() for weight in weights)
    assert sum(int(weight.count_nonzero()) for weight in weights) == total // 2


@pytest.mark.parametrize("dataset", ["PlainGraphs", "OneGraph"])
def test_killed_in_either_phase_it_goes_on_to_the_same_bits(tmp_path: Path, dataset: str) -> None:
    """Graphs: two steps an epoch, 1 to 8 dense and 9 to 16 sparse; one graph: 1 to 4 and 5 to 8."""
    assert_resumes(tiny(tmp_path, dataset, *MODEL, *TEDDY, "trainer.ema=0.5"), tmp_path, STOPS[dataset])


def test_a_run_is_reported_and_verified_to_the_digit(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run(tiny(tmp_path, "PlainNodes", *MODEL, *TEDDY))
    (folder,) = (tmp_path / "runs").glob("*/seed0")
    told = json.loads((folder / "result.json").read_text())["method"]
    assert told["weights_kept"] == pytest.approx(0.5, abs=1e-3)
    assert told["macs_kept"] < 0.6
    assert 0.55 < told["edges_kept"] < 0.75
    assert main(["verify", str(folder), "--allow", "tests"]) == 0
    assert "DIFFERS" not in capsys.readouterr().out


def test_divergences_in_closed_form() -> None:
    a, b = torch.randn(5, 3), torch.randn(5, 3)
    p, q = a.softmax(-1), b.softmax(-1)
    torch.testing.assert_close(divergence("multiclass", a, b), (p * (p / q).log()).sum(-1))
    p, q = a.sigmoid(), b.sigmoid()
    bernoulli = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    torch.testing.assert_close(divergence("multilabel", a, b), bernoulli.sum(-1))
    torch.testing.assert_close(divergence("regression", a, b), (a - b).square().sum(-1) / 2)
    for target in ("multiclass", "multilabel", "binary", "regression"):
        torch.testing.assert_close(divergence(target, a, a), torch.zeros(5), atol=1e-6, rtol=0)
