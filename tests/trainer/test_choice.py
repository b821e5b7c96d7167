"""What a phase says of averaged weights and of the epochs whose weights may be chosen."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from linear_toy import L2, Linear, toy_fit
from torch import nn

from gnnlab.trainer import Phase
from gnnlab.trainer.schedule import Constant, Plateau


def test_averages_are_handed_over_before_they_are_evaluated_and_kept(tmp_path: Path) -> None:
    def clear(model: nn.Module) -> None:
        for parameter in model.parameters():
            parameter.data.zero_()

    phases = [Phase("train", 3, on_average=clear)]
    averaged, _ = toy_fit(tmp_path / "averaged", phases=phases, ema=0.5)
    assert not any(parameter.any() for parameter in averaged.parameters())
    plain, _ = toy_fit(tmp_path / "plain", phases=phases)
    assert all(parameter.any() for parameter in plain.parameters())


def test_weights_of_before_are_not_chosen_and_nothing_stops_before(tmp_path: Path) -> None:
    """The model gets worse with every epoch: the best is the first that counts."""

    def spoil(model: nn.Module, epoch: int) -> None:
        for parameter in model.parameters():
            parameter.data.add_(10.0 * (epoch + 1))

    phases = [Phase("train", 7, on_epoch_end=spoil, choose_from=3)]
    still: Any = {"optimizer": partial(torch.optim.SGD, lr=1e-9), "scheduler": Constant}
    _, result = toy_fit(tmp_path, phases=phases, patience=2, **still)
    assert (result.best_epoch, result.stopped) == (3, "patience")
    assert len(result.history) == 6


class Scored(L2):
    """The loss and the error of one evaluation after the other as given, then 9."""

    def __init__(self, losses: list[float], errors: list[float]) -> None:
        self.losses, self.errors = [*losses, *[9.0] * 20], [*errors, *[9.0] * 20]

    def loss(self, out: torch.Tensor, batch: Any) -> torch.Tensor:
        value = super().loss(out, batch)
        return value if value.requires_grad else value * 0 + self.losses[0]

    def score(self, out: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
        del self.losses[0]
        return {"mae": self.errors.pop(0)}


@pytest.mark.parametrize(("choose", "best", "epochs"), [("metric", 1, 4), ("loss", 4, 7), ("both", 3, 7)])
def test_weights_chosen_by_metric_and_loss(tmp_path: Path, choose: Any, best: int, epochs: int) -> None:
    """The error is least in epochs 1 and 3, and the loss falls until epoch 4."""
    task = Scored([5.0, 4.0, 3.0, 2.0, 1.0], [3.0, 1.0, 2.0, 1.0, 2.0])
    _, result = toy_fit(tmp_path, task=task, max_epochs=20, patience=2, choose=choose)
    assert (result.best_epoch, result.stopped, len(result.history)) == (best, "patience", epochs)


@pytest.mark.parametrize(("watch", "rate"), [("metric", 0.025), ("loss", 0.1)])
def test_a_plateau_of_the_metric_or_of_the_loss(tmp_path: Path, watch: Any, rate: float) -> None:
    """An accuracy that stands still while the loss falls."""
    task = Scored([8.0, 7.0, 6.0, 5.0, 4.0], [0.5] * 5)
    task.maximize = True
    parts: Any = {"optimizer": partial(torch.optim.SGD, lr=0.1), "scheduler": partial(Plateau, patience=0, watch=watch)}
    _, result = toy_fit(tmp_path, task=task, max_epochs=4, **parts)
    assert result.last["lr"] == pytest.approx(rate)


@pytest.mark.parametrize("choose_from", [0, 2])
def test_evaluated_every_other_epoch(tmp_path: Path, choose_from: int) -> None:
    phases = [Phase("train", 6, choose_from=choose_from)]
    _, result = toy_fit(tmp_path, partial(Linear, hidden=4), phases=phases, eval_every=2)
    assert result.best_epoch >= choose_from
