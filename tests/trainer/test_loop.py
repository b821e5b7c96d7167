"""What the loop promises: equal sums however they are split, the best weights, and honest ends."""

import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from linear_toy import L2, Linear, ToyLoader, packed, toy_fit, toy_loaders
from torch import Tensor, nn
from torch.optim import SGD

from gnnlab.errors import RunStopped, UsageError
from gnnlab.trainer import Phase, Trainer, device
from gnnlab.trainer.ema import EMA
from gnnlab.trainer.evaluate import evaluate
from gnnlab.trainer.learner import Learner
from gnnlab.trainer.losses import Losses
from gnnlab.trainer.schedule import Constant, Plateau

sgd = partial(SGD, lr=0.01)


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("clip", [None, 0.1])
def test_micro_batches_add_up_to_the_big_batch(tmp_path: Path, clip: float | None) -> None:
    """Exactly so for a last batch that is shorter, too: 36 graphs are 9 batches of 4, or 3 of 12."""
    loaders = {batch_size: toy_loaders(batch_size=batch_size) for batch_size in (4, 12)}
    loaders[4]["train"].store = loaders[12]["train"].store = packed(34, 0)
    small, big = (
        toy_fit(
            tmp_path / str(size),
            lambda: Linear().double(),
            loaders=loaders[size],
            optimizer=sgd,
            accumulate=k,
            clip=clip,
        )
        for size, k in ((4, 3), (12, 1))
    )
    torch.testing.assert_close(weights(small[0]), weights(big[0]), rtol=1e-12, atol=1e-12)
    for one, other in zip(small[1].history, big[1].history, strict=True):
        assert one == pytest.approx(other, rel=1e-12)


def test_train_loss_is_the_mean_over_graphs_not_over_batches(tmp_path: Path) -> None:
    model = Linear().double()
    loaders = toy_loaders(batch_size=10)
    expected = evaluate(model, L2(), loaders["train"].epoch(0), torch.device("cpu"))["loss"]
    _, result = toy_fit(tmp_path, lambda: model, loaders=loaders, optimizer=partial(SGD, lr=0.0), max_epochs=1)
    assert result.history[0]["train/loss"] == pytest.approx(expected, rel=1e-12)


def test_score_is_of_the_whole_split(tmp_path: Path) -> None:
    model = Linear().double()
    one, many = (evaluate(model, L2(), ToyLoader(packed(20, 1), n).epoch(0), torch.device("cpu")) for n in (20, 3))
    assert one == pytest.approx(many, rel=1e-12)


def test_ema_is_the_weighted_sum_of_all_weights() -> None:
    model = torch.nn.BatchNorm1d(2).double()
    ema, decay, history = EMA(model, 0.9), 0.9, [model.weight.detach().clone()]
    for step in range(5):
        with torch.no_grad():
            model.weight.copy_(torch.tensor([step**2, -step]))
            model.running_mean.fill_(step)
        ema.update(model)
        history.append(model.weight.detach().clone())
    expected = decay**5 * history[0] + sum((1 - decay) * decay ** (5 - k) * history[k] for k in range(1, 6))
    torch.testing.assert_close(ema.average["weight"], expected)
    assert ema.average["running_mean"].tolist() == [4, 4], "buffers are those of the last step"
    before = weights(model)
    with ema.applied(model):
        torch.testing.assert_close(model.weight.detach(), expected)
    assert torch.equal(weights(model), before)


def test_ema_weights_are_the_ones_evaluated_and_kept(tmp_path: Path) -> None:
    model, result = toy_fit(tmp_path, ema=0.9)
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    trained = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    assert all(torch.equal(value, best[name]) for name, value in model.state_dict().items())
    assert not all(torch.equal(value, best[name]) for name, value in trained.items())
    assert score(best)["mae"] == result.best["val/mae"]


def score(state: dict[str, Tensor], split: str = "val") -> dict[str, float]:
    model = Linear()
    model.load_state_dict(state)
    return evaluate(model, L2(), toy_loaders()[split].epoch(0), torch.device("cpu"))


@pytest.mark.parametrize("ema", [None, 0.5])
def test_best_weights_give_the_logged_value_and_the_test(tmp_path: Path, ema: float | None) -> None:
    model, result = toy_fit(tmp_path, optimizer=partial(SGD, lr=0.3), clip=None, max_epochs=8, ema=ema)
    values = [row["val/mae"] for row in result.history]
    assert result.best_epoch == values.index(min(values))
    assert result.best == result.history[result.best_epoch]
    assert result.last == result.history[-1]
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert score(best)["mae"] == result.best["val/mae"]
    assert score(best, "test") == result.test
    assert score(model.state_dict(), "test") == result.test


def test_same_seed_same_bits(tmp_path: Path) -> None:
    runs = {name: toy_fit(tmp_path / name, partial(Linear, dropout=0.3), seed=name == "c") for name in "abc"}
    (a, one), (b, other), (_, third) = runs.values()
    assert torch.equal(weights(a), weights(b))
    assert one.history == other.history != third.history
    assert (tmp_path / "a/metrics.csv").read_bytes() == (tmp_path / "b/metrics.csv").read_bytes()


class Worsening(L2):
    """A score that is best in the third evaluation."""

    def __init__(self) -> None:
        self.scores = iter([3.0, 2.0, 1.0, *[1.5] * 100])

    def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
        return {"mae": next(self.scores)}


def test_patience_counts_evaluations(tmp_path: Path) -> None:
    _, result = toy_fit(tmp_path, task=Worsening(), max_epochs=50, patience=4, eval_every=2)
    assert (result.stopped, result.best_epoch, result.last["epoch"]) == ("patience", 5, 13)
    assert [("val/mae" in row) for row in result.history] == [False, True] * 7


def test_the_last_epoch_is_always_evaluated(tmp_path: Path) -> None:
    _, result = toy_fit(tmp_path, max_epochs=5, eval_every=3)
    assert [row["epoch"] for row in result.history if "val/mae" in row] == [2, 4]


def test_plateau_ends_the_run_below_min_lr(tmp_path: Path) -> None:
    """Best in epoch 2; 0.01 halves at epochs 5, 8, 11, 14: the last to 0.000625."""
    scheduler = partial(Plateau, factor=0.5, patience=2)
    _, result = toy_fit(tmp_path, task=Worsening(), optimizer=sgd, scheduler=scheduler, max_epochs=50, min_lr=1e-3)
    assert (result.stopped, result.last["epoch"]) == ("min_lr", 14)
    assert result.last["lr"] == pytest.approx(0.01 / 8)


def test_a_step_without_items_is_noted_where_the_others_are() -> None:
    """No gradient: torch then gives a norm on the CPU. "meta" stands in for a GPU."""
    learner = Learner(Trainer(device="cpu"), Linear(), L2(), sgd, Constant)
    learner.begin(Phase("train", 1), toy_loaders()["train"])
    learner.device, losses = torch.device("meta"), Losses()
    losses.add(*learner.step([packed(0, 0).batch()], items=0))
    assert losses.steps[0].device == learner.device


def test_bf16_runs_with_float32_losses(tmp_path: Path) -> None:
    seen = []

    class Watching(L2):
        def loss(self, out: Tensor, batch) -> Tensor:
            seen.append(out.dtype)
            return super().loss(out, batch)

    _, half = toy_fit(tmp_path / "half", task=Watching(), precision="bf16")
    _, full = toy_fit(tmp_path / "full")
    assert set(seen) == {torch.float32}
    assert half.history != full.history
    assert half.best["val/mae"] == pytest.approx(full.best["val/mae"], rel=0.05)


def poisoned(batch: int):
    """The toy's loaders, with a NaN in batch `batch` of the training split."""
    loaders = toy_loaders()
    loaders["train"].shuffle = False
    loaders["train"].store.graph["y"][8 * batch] = float("nan")
    return loaders


@pytest.mark.parametrize(
    ("batch", "accumulate", "where"),
    [
        (4, 1, "batch 4"),
        (4, 2, "the step from batch 4"),
        (3, 2, "the step from batch 2"),
        (4, 99, "the step from batch 0"),
    ],
)
@pytest.mark.parametrize("every", [0, 3600])
def test_nan_stops_and_keeps_the_last_good_state(
    tmp_path: Path, batch: int, accumulate: int, where: str, every: float
) -> None:
    """Whether its loss is read at once, for a checkpoint, or at the end of the epoch."""
    with pytest.raises(RunStopped, match=rf"loss became nan in phase 'train', epoch 0, {where}\. ") as stop:
        toy_fit(tmp_path, loaders=poisoned(batch), checkpoint_every=every, accumulate=accumulate)
    assert "checkpoint.pt" in str(stop.value)
    assert "detect_anomaly" in str(stop.value)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in kept["model"].values())
    assert math.isfinite(kept["state"]["loss"])
    _, result = toy_fit(tmp_path, resume=True)
    assert result.stopped == "max_epochs"


def test_an_exploding_gradient_is_found_in_its_step(tmp_path: Path) -> None:
    def explode(model, out, batch) -> Tensor:
        return (out * 0).sum().sqrt() if batch.num_graphs < 8 else out.sum() * 0

    with pytest.raises(RunStopped, match="gradient norm became nan in phase 'p', epoch 0, batch 4"):
        toy_fit(tmp_path, phases=[Phase("p", 2, objective=explode)])


def test_lack_of_memory_says_what_to_turn(tmp_path: Path) -> None:
    class Greedy(Linear):
        def forward(self, batch):
            return torch.empty(2**60) if self.training else super().forward(batch)

    with pytest.raises(RunStopped, match=r"Out of memory on cpu .*loader\.batch_size"):
        toy_fit(tmp_path, Greedy)


def test_phases_are_a_method(tmp_path: Path) -> None:
    """Each phase has a fresh optimizer, its own losses and hooks, and begins with the best weights before it."""
    events, begun = [], {}

    def begin(name: str, model: torch.nn.Module) -> None:
        events.append(f"{name} begins")
        begun[name] = weights(model)

    def zero(model: torch.nn.Module, step: int) -> None:
        assert model.layers[-1].weight.grad is not None
        with torch.no_grad():
            model.layers[-1].weight[0, 0] = 0

    phases = [
        Phase("dense", 2, on_start=partial(begin, "dense"), on_epoch_end=lambda model, epoch: {"twice": 2.0 * epoch}),
        Phase("sparse", 3, lambda model, out, batch: weights(model).sum() * 0 + 5, partial(begin, "sparse"), zero),
    ]
    model, result = toy_fit(tmp_path, phases=phases, scheduler=Constant)
    _, dense = toy_fit(tmp_path / "dense", max_epochs=2, scheduler=Constant)
    assert events == ["dense begins", "sparse begins"]
    assert [row["phase"] for row in result.history] == ["dense"] * 2 + ["sparse"] * 3
    assert [row["epoch"] for row in result.history] == [0, 1, 2, 3, 4]
    assert [row.get("twice") for row in result.history] == [0.0, 2.0, None, None, None]
    assert result.history[1]["val/mae"] == dense.history[1]["val/mae"]
    assert result.history[2]["train/loss"] > 5
    assert model.layers[-1].weight[0, 0] == 0
    assert result.best_epoch >= 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "gpu"}, r"trainer\.device=gpu is not a device"),
        ({"device": "meta"}, r"trainer\.device=meta is not a device"),
        pytest.param(
            {"device": "cuda"},
            "torch sees 0 GPUs",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU"),
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_loaded(settings: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Trainer(**settings)


def test_result_counts_time_and_memory(tmp_path: Path) -> None:
    _, result = toy_fit(tmp_path)
    assert len(result.timings) == len(result.history)
    assert 0 < sum(row["seconds"] for row in result.timings) <= result.seconds
    assert result.graphs_per_second > 0
    assert result.peak_memory_mb > 10


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="not Linux")
def test_memory_is_that_of_this_run(tmp_path: Path) -> None:
    toy_fit(tmp_path)
    torch.zeros(2**26)  # 256 MB, and gone
    before = device.peak_memory_mb(torch.device("cpu"))
    assert toy_fit(tmp_path)[1].peak_memory_mb < before - 200


def test_a_profile_is_a_table_and_a_trace(tmp_path: Path) -> None:
    """Of what there is, where the training has fewer than its thirty steps."""
    for name, epochs in (("short", 1), ("long", 8)):
        _, result = toy_fit(tmp_path / name, profile=True, max_epochs=epochs)
        assert "aten::" in (tmp_path / name / "profile.txt").read_text()
        assert json.loads((tmp_path / name / "trace.json").read_text())["traceEvents"]
        assert result.history == toy_fit(tmp_path / f"{name} without", max_epochs=epochs)[1].history


def test_progress_speaks_a_line_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnnlab.trainer.progress.SECONDS_BEFORE_THE_FIRST", 0.0)
    toy_fit(tmp_path / "loud", progress=True, max_epochs=2)
    assert "epoch 1/2  train/loss" in capsys.readouterr().err
    toy_fit(tmp_path / "quiet", progress=False, max_epochs=2)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_compiled_models_train_the_same(tmp_path: Path) -> None:
    plain, compiled = (toy_fit(tmp_path / str(flag), compile=flag)[1] for flag in (False, True))
    for one, other in zip(plain.history, compiled.history, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_a_test_without_a_value_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class NoTest(L2):
        def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
            return {"mae": math.nan if len(y) == 7 else 1.0}

    loaders = {**toy_loaders(), "test": ToyLoader(packed(7, 3), 4)}
    _, result = toy_fit(tmp_path, loaders=loaders, task=NoTest(), max_epochs=1)
    assert math.isnan(result.test["mae"])
    assert caplog.text.count("There is no test/mae, so none is recorded: do all targets of the test split") == 1


def test_a_metric_without_a_value_is_refused(tmp_path: Path) -> None:
    class NoScore(L2):
        def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
            return {"mae": math.nan}

    with pytest.raises(UsageError, match="val/mae has no value, so no epoch can be chosen"):
        toy_fit(tmp_path, task=NoScore())


def test_deterministic_algorithms_are_asked_for_as_long_as_it_trains(tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(model: nn.Module, epoch: int) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())

    toy_fit(tmp_path, phases=[Phase("train", 2).also(on_epoch_end=look)], deterministic=True)
    assert seen == [True, True]
    assert not torch.are_deterministic_algorithms_enabled()
