"""Phases that methods make of other phases."""

import torch
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
