"""Weights to go back to: a model's own, whatever methods have put into it since."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from gnnlab.errors import UsageError
from gnnlab.weights import initial, rewind


class Mask(nn.Module):
    """Around another module, or beside it."""

    installed: ClassVar[bool] = True

    def __init__(self, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.inner, self.on = inner, nn.Parameter(torch.ones(2))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(2))
        self.aggregation = nn.Linear(1, 1)


def changed(model: nn.Module) -> dict[str, Tensor]:
    """Its weights, after each has become another."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    return {name: value.clone() for name, value in model.named_parameters()}


def test_what_is_installed_and_an_aggregation_policy_stay_and_the_rest_goes_back() -> None:
    model = Model()
    start = initial(model)
    model.layers[0] = Mask(model.layers[0])
    model.layers[1].add_module("mask", Mask())
    after = changed(model)
    rewind(model, start)
    assert initial(model).keys() == start.keys()
    assert all(torch.equal(value, start[name]) for name, value in initial(model).items())
    stayed = [name for name, value in model.named_parameters() if torch.equal(value, after[name])]
    assert stayed == ["layers.0.on", "layers.1.mask.on", "aggregation.weight", "aggregation.bias"]


def test_weights_of_another_model_are_refused() -> None:
    model, start = Model(), initial(Model())
    model.layers[0] = nn.Sequential(model.layers[0])
    with pytest.raises(UsageError, match=r"cannot go back .*layers\.0\.0\.0\.bias.* `installed = True`"):
        rewind(model, start)
