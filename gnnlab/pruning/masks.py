"""Masks on weights: what has been pruned stays 0, whatever the optimizer does; and numbers that a checkpoint keeps."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gnnlab.trainer.phase import Phase


class Masks:
    """True where a weight stays, by parameter's name; at first none, and all stay. A part of a phase's state."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def set(self, names: Iterable[str], kept: list[Tensor]) -> None:
        """New masks, in the order of `names`."""
        self.kept = dict(zip(names, kept, strict=True))

    @torch.no_grad()
    def apply(self, model: nn.Module, *_: int) -> None:
        """Set to 0 what is masked. A hook of a phase."""
        parameters = dict(model.named_parameters())
        for name, kept in self.kept.items():
            parameter = parameters[name]
            self.kept[name] = kept.to(parameter.device)
            parameter.mul_(self.kept[name])

    def hold(self, phase: Phase) -> Phase:
        """`phase`, with what is masked at 0 after every step, and of averaged weights too."""
        return phase.also(on_step_end=self.apply, on_average=self.apply)

    def state_dict(self) -> dict[str, Tensor]:
        return self.kept

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        self.kept = dict(state_dict)


class Number:
    """A number that a part of a method has learnt or decided. A part of a phase's state."""

    def __init__(self, value: float) -> None:
        self.value = value

    def state_dict(self) -> dict[str, float]:
        return {"value": self.value}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.value = state_dict["value"]
