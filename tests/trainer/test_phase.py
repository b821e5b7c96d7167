"""Phases that methods make of other phases."""

from dataclasses import replace
from pathlib import Path

import torch
from linear_toy import Linear, toy_fit
from torch import nn

from gnnlab.trainer.phase import Phase


def test_hooks_are_called_after_those_there_were() -> None:
    said: list[str] = []
    first = Phase("train", 3, on_start=lambda model: said.append("first"), objective=lambda *_: torch.tensor(1.0))
    phase = first.also(
        on_start=lambda model: said.append("second"), objective=lambda *_: torch.tensor(2.0), name="sparse"
    )
    assert phase.on_start
    assert phase.objective
    phase.on_start(nn.Identity())
    assert said == ["first", "second"]
    assert float(phase.objective(nn.Identity(), torch.empty(0), None)) == 3.0  # pyright: ignore[reportArgumentType]
    assert (phase.name, phase.epochs, phase.on_step_end) == ("sparse", 3, None)


def test_values_to_log_and_states_are_joined() -> None:
    phase = Phase("train", 1, on_epoch_end=lambda model, epoch: {"a": 1.0}, state={"gate": nn.Linear(1, 1)})
    phase = phase.also(on_epoch_end=lambda model, epoch: None, state={"teacher": nn.Linear(1, 1)})
    phase = phase.also(on_epoch_end=lambda model, epoch: {"b": float(epoch)})
    assert phase.on_epoch_end
    assert phase.on_epoch_end(nn.Identity(), 2) == {"a": 1.0, "b": 2.0}
    assert list(phase.state) == ["gate", "teacher"]


def test_what_is_frozen_learns_in_the_other_phases_alone(tmp_path: Path) -> None:
    """A phase made of another inherits it."""
    model, learns, values = Linear(), [], []
    weight, bias = model.parameters()

    def note(model: nn.Module, step: int) -> None:
        if step == 1:
            learns.append((weight.requires_grad, bias.requires_grad))
            values.append(bias.clone())

    first = Phase("first", 1, on_step_end=note)
    frozen = first.also(name="frozen", frozen=[bias])
    assert frozen.also(frozen=[weight]).frozen == (bias, weight)
    toy_fit(tmp_path, lambda: model, phases=[first, frozen, replace(frozen, name="frozen too", on_start=None), first])
    assert learns == [(True, True), (True, False), (True, False), (True, True)]
    assert torch.equal(values[1], values[2])
    assert not torch.equal(values[2], values[3])
