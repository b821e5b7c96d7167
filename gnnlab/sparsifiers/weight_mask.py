"""Masks that are trained on weights, m_θ of UGS (Chen et al., "A Unified Lottery Ticket Hypothesis for Graph Neural
Networks", ICML 2021), as torch's parametrizations.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gnnlab.sparsifiers.edge_mask import ones


class WeightMask(nn.Module):
    """θ ↦ θ ⊙ mask, near 1 at first, 0 for ever where not `kept`."""

    kept: Tensor

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.mask = ones(kept.shape, kept.device)
        self.register_buffer("kept", kept)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * torch.where(self.kept, self.mask, 0.0)


def put_on(model: nn.Module, kept: Mapping[str, Tensor]) -> list[WeightMask]:
    """A mask on each of these parameters of `model`."""
    masks = []
    for name, value in kept.items():
        module, own = owner(model, name)
        masks.append(WeightMask(value))
        parametrize.register_parametrization(module, own, masks[-1])
    return masks


def take_off(model: nn.Module, names: Sequence[str]) -> dict[str, WeightMask]:
    """Take the masks off these parameters, which are θ again and not θ ⊙ mask, and return those there were.

    A parameter comes back as the last of its module. So all are put in order of their names, masked or not: an
    optimizer's state knows parameters by their order.
    """
    found = {}
    for name in names:
        module, own = owner(model, name)
        if parametrize.is_parametrized(module, own):
            (found[name],) = module.parametrizations[own]  # pyright: ignore[reportIndexIssue, reportArgumentType]
            parametrize.remove_parametrizations(module, own, leave_parametrized=False)
    for module in dict.fromkeys(owner(model, name)[0] for name in names):
        for own, parameter in sorted(module.named_parameters(recurse=False)):
            delattr(module, own)
            module.register_parameter(own, parameter)
    return found


def owner(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that a parameter of `model` belongs to, and its name there."""
    path, _, own = name.rpartition(".")
    return model.get_submodule(path), own
