"""Padded and captured steps train as plain ones do. The capture itself needs a GPU; here a replay repeats the step."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch
from linear_toy import toy_fit
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adam, AdamW
from torch.testing import assert_close

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build
from gnnlab.datasets.loader import Loader
from gnnlab.errors import Interrupted, UsageError
from gnnlab.packed import Packed
from gnnlab.padding import Size, pad
from gnnlab.tasks import make_task
from gnnlab.testing import random_graph, sample, sample_spec
from gnnlab.trainer import Phase, Trainer, cudagraph
from gnnlab.trainer.state import FitResult
from tests.interrupted import assert_same_run, stopped


def molecules(count: int, seed: int) -> Packed:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(5, 20, (count,), generator=generator).tolist()
    packed = Packed.from_graphs([random_graph(n, 2 * n, generator) for n in sizes])
    packed.graph["y"] = packed.graph["y"].expand(-1, 3).double()
    return packed


SPLITS = {name: molecules(count, seed) for seed, (name, count) in enumerate((("train", 60), ("val", 8), ("test", 8)))}
GPS = ("model=gps", "dataset=zinc", "preset=none", "encoding=none", "model.hidden_dim=8", "model.num_layers=1")
MODEL = compose(*GPS, "model.mixer.dropout=0").model


def gps(**settings) -> nn.Module:
    return build(MODEL, spec=sample_spec("graph"), encodings=[], **settings).double()


def fit(folder: Path, **settings) -> tuple[nn.Module, FitResult]:
    loaders = {name: Loader(split, batch_size=8, shuffle=name == "train") for name, split in SPLITS.items()}
    settings = {"model": gps, "max_epochs": 3, "ema": 0.9, **settings}
    return toy_fit(folder, task=make_task(sample_spec("graph")), loaders=loaders, **settings)


def assert_alike(one: tuple[nn.Module, FitResult], other: tuple[nn.Module, FitResult]) -> None:
    for a, b in zip(one[1].history, other[1].history, strict=True):
        assert a == pytest.approx(b, rel=1e-6)
    for name, value in one[0].state_dict().items():
        assert_close(value, other[0].state_dict()[name], rtol=1e-6, atol=1e-8, msg=name)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_padded_run_is_the_plain_run(tmp_path: Path, accumulate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[Size] = []

    def noted(batch: Batch, size: Size) -> Batch:
        sizes.append(size)
        return pad(batch, size)

    monkeypatch.setattr("gnnlab.padding.pad", noted)
    plain, padded = (fit(tmp_path / str(count), pad=count, accumulate=accumulate) for count in (None, 3))
    assert_alike(padded, plain)
    assert len(sizes) > 20
    assert len(set(sizes)) == 3


def test_a_padded_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    settings = {"pad": 2, "checkpoint_every": 0, "model": partial(gps, dropout=0.2)}
    fit(tmp_path / "whole", phases=[Phase("train", 2)], **settings)
    with pytest.raises(Interrupted):
        fit(tmp_path / "parts", phases=stopped([Phase("train", 2)], 11), **settings)
    fit(tmp_path / "parts", phases=[Phase("train", 2)], resume=True, **settings)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Captures that work on the CPU: a replay calls the step again, and puts what it gives where it first was.

    Each counts its replays.
    """
    counts: list[int] = []

    def record(step: partial, stream: None, pool: None):
        parameters, number = step.func.__self__.parameters, len(counts)
        results = torch.zeros(2, dtype=torch.float64).unbind()
        gradients = [torch.zeros_like(parameter) for parameter in parameters]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        counts.append(0)

        def replay() -> None:
            counts[number] += 1
            new = [*step(), *(parameter.grad for parameter in parameters)]
            for place, value in zip([*results, *gradients], new, strict=True):
                place.copy_(value)

        return results, replay

    monkeypatch.setattr(cudagraph, "check", lambda settings: None)
    monkeypatch.setattr(cudagraph, "aside", lambda stream: nullcontext())
    monkeypatch.setattr(cudagraph, "record", record)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    return counts


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_replays_are_the_steps_they_repeat(tmp_path: Path, recorded: list[int], name: str) -> None:
    """With a learning rate that changes in each epoch, averaged weights, and one graph for each of two sizes."""
    optimizer = build(compose(f"optimizer={name}", "optimizer.lr=0.01").optimizer)
    plain = fit(tmp_path / "plain", optimizer=optimizer)
    replayed = fit(tmp_path / "replayed", optimizer=optimizer, pad=2, cudagraph=True)
    assert_alike(replayed, plain)
    assert len(recorded) == 2
    assert sum(recorded) >= 24 - 2 * cudagraph.WARM_UP - 3
    assert len({row["lr"] for row in replayed[1].history}) == 3


def test_a_replayed_run_goes_on_to_the_same_bits(tmp_path: Path, recorded: list[int]) -> None:
    settings = {"pad": 1, "cudagraph": True, "checkpoint_every": 0}
    fit(tmp_path / "whole", phases=[Phase("train", 2)], **settings)
    with pytest.raises(Interrupted):
        fit(tmp_path / "parts", phases=stopped([Phase("train", 2)], 11), **settings)
    fit(tmp_path / "parts", phases=[Phase("train", 2)], resume=True, **settings)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert len(recorded) == 3


def test_hooks_see_the_gradients_of_a_replay(tmp_path: Path, recorded: list[int]) -> None:
    norms: list[float] = []

    def note(model: nn.Module, step: int) -> None:
        gradients = [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
        norms.append(float(torch.cat(gradients).norm()))

    for name, settings in (("plain", {}), ("replayed", {"pad": 1, "cudagraph": True})):
        fit(tmp_path / name, phases=[Phase("train", 2, on_step_end=note)], clip=1e9, **settings)
    assert norms[16:] == pytest.approx(norms[:16], rel=1e-6)


def test_a_step_with_random_numbers_from_the_cpu_is_refused(tmp_path: Path, monkeypatch, recorded: list[int]) -> None:
    def record(step, stream, pool):
        return step(), lambda: None

    monkeypatch.setattr(cudagraph, "record", record)
    with pytest.raises(UsageError, match=r"draws random numbers on the CPU.*trainer=default"):
        fit(tmp_path, model=partial(gps, dropout=0.5), pad=1, cudagraph=True)


def test_a_step_that_cannot_be_captured_says_why(tmp_path: Path, monkeypatch, recorded: list[int]) -> None:
    def record(step, stream, pool):
        raise RuntimeError("operation not permitted when stream is capturing\nat line 1")

    monkeypatch.setattr(cudagraph, "record", record)
    with pytest.raises(UsageError, match=r"cannot be captured \(operation not permitted when stream is capturing\)"):
        fit(tmp_path, pad=1, cudagraph=True)


def test_an_optimizer_that_keeps_numbers_in_python_is_refused() -> None:
    class Own(torch.optim.Optimizer):
        pass

    parameters = [nn.Parameter(torch.zeros(1))]
    with pytest.raises(UsageError, match="Own cannot be captured"):
        cudagraph.make_capturable(Own(parameters, {"lr": 0.1}))
    for optimizer in (Adam(parameters), AdamW(parameters), Adadelta(parameters), SGD(parameters)):
        cudagraph.make_capturable(optimizer)


def test_a_static_batch_becomes_each_batch_it_is_given() -> None:
    def tensors(batch: Batch) -> list[Tensor]:
        found = []
        batch.map(lambda value: found.append(value) or value)
        return found

    first = pad(sample().batch(), Size(500, 2000, 10, 400))
    first.node["mask"] = torch.arange(first.num_nodes) % 3 == 0
    static = cudagraph.StaticBatch(first, torch.device("cpu"))
    places = [place.data_ptr() for place in tensors(static.batch)]
    for step in range(2):
        batch = first.map(lambda value, step=step: value ^ bool(step) if value.dtype == torch.bool else value + step)
        static.load(batch)
        assert Size.of(static.batch) == Size.of(batch)
        for place, value in zip(tensors(static.batch), tensors(batch), strict=True):
            assert torch.equal(place, value)
    assert [place.data_ptr() for place in tensors(static.batch)] == places


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pad": None}, r"trainer\.pad needs a number of sizes"),
        ({"accumulate": 2}, r"trainer\.accumulate must be 1"),
        ({"compile": True}, r"trainer\.compile must be false"),
        ({"detect_anomaly": True}, r"trainer\.detect_anomaly must be false.*take trainer=default"),
        ({}, r"this run is on the CPU: take trainer=default"),
    ],
)
def test_settings_that_a_captured_step_cannot_honour(settings: dict, message: str) -> None:
    with pytest.raises(UsageError, match=rf"^trainer\.cudagraph=true.*{message}"):
        Trainer(**{"cudagraph": True, "pad": 4, "device": "cpu", **settings})


def test_as_typed() -> None:
    assert build(compose("trainer.pad=2").trainer).pad == 2
    with pytest.raises(UsageError, match="this run is on the CPU"):
        build(compose("trainer=cudagraph", "trainer.device=cpu").trainer)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_captured_steps_train_as_plain_ones_do(tmp_path: Path, precision: str) -> None:
    settings = {"device": "cuda", "precision": precision, "optimizer": partial(AdamW, lr=1e-3), "max_epochs": 5}
    plain = fit(tmp_path / "plain", model=lambda: gps().float(), **settings)
    captured = fit(tmp_path / "captured", model=lambda: gps().float(), pad=2, cudagraph=True, **settings)
    tolerance = 1e-3 if precision == "fp32" else 0.05
    for one, other in zip(captured[1].history, plain[1].history, strict=True):
        assert one == pytest.approx(other, rel=tolerance)


@pytest.mark.gpu
def test_dropout_differs_from_replay_to_replay(tmp_path: Path) -> None:
    """With a learning rate of 0, only the masks can tell one epoch's loss from the next one's."""
    settings = {"model": partial(gps, dropout=0.5), "optimizer": partial(SGD, lr=0.0), "pad": 1, "cudagraph": True}
    _, result = fit(tmp_path, device="cuda", max_epochs=6, **settings)
    assert len({row["train/loss"] for row in result.history}) == 6
