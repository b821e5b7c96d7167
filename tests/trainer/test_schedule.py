"""Schedules have the learning rates of their closed forms, and go on from a saved state."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch.optim import SGD

from gnnlab.trainer.schedule import Constant, Cosine, Plateau


def optimizer(lr: float = 0.1) -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(scheduler, sgd: SGD, metrics: Sequence[float | None]) -> list[float]:
    """The learning rate of every epoch, the last one being that after the last step."""
    seen = [sgd.param_groups[0]["lr"]]
    for metric in metrics:
        scheduler.step(metric)
        seen.append(sgd.param_groups[0]["lr"])
    return seen


def test_cosine_warms_up_linearly_and_ends_at_zero() -> None:
    sgd = optimizer()
    seen = rates(Cosine(sgd, epochs=20, warmup=5), sgd, [None] * 20)
    warm = [0.1 * max(1e-6, t / 5) for t in range(5)]
    cool = [0.1 * 0.5 * (1 + math.cos(math.pi * (t - 5) / 15)) for t in range(5, 21)]
    assert seen == pytest.approx(warm + cool, abs=1e-15)
    assert seen[5] == pytest.approx(0.1)
    assert seen[-1] == pytest.approx(0)


@pytest.mark.parametrize(("epochs", "warmup", "short"), [(1, 50, 0), (3, 5, 0), (20, 20, 2), (40, 50, 4)])
def test_a_run_no_longer_than_its_warm_up_warms_up_for_a_tenth_of_it_and_says_so(
    epochs: int, warmup: int, short: int, caplog: pytest.LogCaptureFixture
) -> None:
    clamped, asked = optimizer(), optimizer()
    seen = rates(Cosine(clamped, epochs, warmup=warmup), clamped, [None] * epochs)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"scheduler.warmup={warmup} leaves nothing of epochs={epochs}; using {short} instead" in caplog.text
    assert seen == rates(Cosine(asked, epochs, warmup=short), asked, [None] * epochs)
    assert max(seen) == 0.1
    assert len(caplog.records) == 1


@pytest.mark.parametrize("maximize", [False, True])
def test_plateau_halves_after_more_than_patience_evaluations_without_a_better_one(maximize: bool) -> None:
    sgd = optimizer()
    scheduler = Plateau(sgd, epochs=100, maximize=maximize, factor=0.5, patience=2)
    metrics = [1.0, 2.0, 2.0, 1.5, 2.0, 3.0] if maximize else [3.0, 2.0, 2.0, 2.5, 2.0, 1.0]
    assert rates(scheduler, sgd, metrics) == [0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]


def test_plateau_counts_evaluations_not_epochs() -> None:
    sgd = optimizer()
    scheduler = Plateau(sgd, epochs=100, patience=1)
    assert rates(scheduler, sgd, [1.0, None, None, None, 1.0, None]) == [0.1] * 7


def test_plateau_takes_less_than_a_ten_thousandth_for_no_improvement() -> None:
    better, hardly = optimizer(), optimizer()
    assert rates(Plateau(better, epochs=9, patience=0), better, [1.0, 1 - 2e-4, 1 - 4e-4])[-1] == 0.1
    assert rates(Plateau(hardly, epochs=9, patience=0), hardly, [1.0, 1 - 5e-5])[-1] == 0.05


def test_constant_is_constant() -> None:
    sgd = optimizer()
    assert rates(Constant(sgd, epochs=3), sgd, [1.0, 2.0, None]) == [0.1] * 4


@pytest.mark.parametrize("make", [Cosine, Plateau, Constant])
def test_a_schedule_goes_on_from_its_state(make) -> None:
    metrics = [1.0, 2.0] * 12
    whole, first, second = optimizer(), optimizer(), optimizer()
    expected = rates(make(whole, epochs=24), whole, metrics)
    begun = make(first, epochs=24)
    rates(begun, first, metrics[:14])
    resumed = make(second, epochs=24)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(begun.state_dict())
    assert rates(resumed, second, metrics[14:]) == expected[14:]
