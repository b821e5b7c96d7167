"""Weight decay leaves alone what a module declares, under every optimizer there is, and pulls at everything else."""

import pytest
import torch
from torch import nn

from gnnlab import compose
from gnnlab.config import build, conf_dir
from gnnlab.nn.mixer.mamba import Mamba
from gnnlab.trainer.decay import parameter_groups


@pytest.mark.parametrize("optimizer", sorted(path.stem for path in (conf_dir() / "optimizer").glob("*.yaml")))
def test_a_step_without_gradients_shrinks_all_but_the_declared(optimizer: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), Mamba(8), nn.BatchNorm1d(8))
    for parameter in model.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    cfg = compose(f"optimizer={optimizer}", "optimizer.weight_decay=0.1", "dataset=zinc", "preset=none")
    build(cfg.optimizer)(parameter_groups(model)).step()
    kept = {name for name, parameter in model.named_parameters() if torch.equal(parameter, torch.ones_like(parameter))}
    assert kept == {f"1.directions.{way}.{name}" for way in (0, 1) for name in ("log_A", "D")}


def test_every_parameter_that_learns_is_there_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4), Mamba(4))
    model[0].bias.requires_grad_(False)
    groups = [parameter for group in parameter_groups(model) for parameter in group["params"]]
    assert len(groups) == len({id(parameter) for parameter in groups})
    learning = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert {id(parameter) for parameter in groups} == learning
    assert len(parameter_groups(model[0])) == 1
