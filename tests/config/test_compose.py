"""Presets, precedence, and composing from anywhere."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import nn

import gnnlab
from gnnlab.config import build, config_hash
from gnnlab.errors import UsageError

Compose = Callable[..., DictConfig]


def test_a_preset_is_picked_up_by_the_pair(compose: Compose) -> None:
    assert compose().model.hidden_dim == 8
    cfg = compose("dataset=molecules")
    assert (cfg.model.hidden_dim, cfg.model.conv._target_, cfg.model.conv.eps) == (64, "standin.EdgeConv", 0.5)
    assert (cfg.encoding.walks.steps, cfg.optimizer.lr) == (20, 0.01)


def test_preset_none_switches_it_off(compose: Compose) -> None:
    cfg = compose("dataset=molecules", "preset=none")
    assert (cfg.model.hidden_dim, cfg.model.conv._target_) == (8, "standin.Sum")


def test_the_command_line_wins_over_the_preset(compose: Compose) -> None:
    cfg = compose("dataset=molecules", "model.hidden_dim=3", "model.conv.eps=0")
    assert (cfg.model.hidden_dim, cfg.model.conv.eps, cfg.optimizer.lr) == (3, 0, 0.01)


@pytest.mark.parametrize("overrides", [["model/conv=sum"], ["model/conv=none"], ["encoding=none"], ["encoding=waves"]])
def test_values_of_a_choice_that_was_overridden_fall_away(compose: Compose, overrides: list[str]) -> None:
    cfg = compose("dataset=molecules", *overrides)
    assert cfg.model.hidden_dim == 64
    if "conv" in overrides[0]:
        assert cfg.model.conv is None or "eps" not in cfg.model.conv
    else:
        assert "walks" not in cfg.encoding


def test_values_of_an_overridden_choice_of_a_model_fall_away(compose: Compose) -> None:
    assert compose("model=walknet", "dataset=molecules").model.conv.eps == 1.0
    assert "eps" not in compose("model=walknet", "dataset=molecules", "model/conv=sum").model.conv


def test_an_experiment_chooses_the_preset_and_wins_over_it(compose: Compose) -> None:
    cfg = compose("experiment=study")
    assert (cfg.model.hidden_dim, cfg.optimizer.lr) == (64, 0.02)


def test_what_an_experiment_sets_for_another_choice_is_said_to_fall_away(
    compose: Compose, conf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (conf / "experiment" / "wide.yaml").write_text(
        "# @package _global_\ndefaults: [{override /model/conv: edge}]\nmodel: {conv: {eps: 7.0}}\n"
    )
    assert compose("experiment=wide", "dataset=molecules").model.conv.eps == 7
    assert not caplog.messages
    assert "eps" not in compose("experiment=wide", "model/conv=sum").model.conv
    assert caplog.messages == ["experiment=wide sets model.conv.eps for model/conv=edge alone."]


def test_a_folder_of_ones_own(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "own" / "preset").mkdir(parents=True)
    (tmp_path / "own" / "model").mkdir()
    (tmp_path / "own" / "model" / "mine.yaml").write_text("{_target_: standin.Net, conv: null, act: gelu}\n")
    (tmp_path / "own" / "preset" / "mine_tiny.yaml").write_text("# @package _global_\nmodel: {hidden_dim: 5}\n")
    cfg = compose("model=mine", config_dir=tmp_path / "own")
    assert (cfg.model.act, cfg.model.hidden_dim) == ("gelu", 5)
    with pytest.raises(UsageError, match="There is no folder"):
        compose(config_dir=tmp_path / "nowhere")


def test_a_parameter_no_file_spells_out_can_be_set(compose: Compose) -> None:
    assert compose("trainer.ema=0.99").trainer.ema == 0.99


def test_any_working_folder(compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert compose("seed=3").seed == 3
    assert "hydra" not in compose()


def test_build_hands_run_time_arguments_as_they_are() -> None:
    cfg = DictConfig({"_target_": "torch_geometric.data.Data", "x": [1, 2]})
    marker = object()
    assert build(cfg, y=marker).y is marker
    waiting = build(DictConfig({"_target_": "torch.nn.Linear", "_partial_": True, "out_features": 2}))
    assert waiting(3).weight.shape == (2, 3)


def test_build_hands_them_on_to_the_factories_that_name_them() -> None:
    conv = {"_target_": "gnnlab.nn.conv.pna.PNA", "_partial_": True}
    gcn = {"_target_": "gnnlab.nn.conv.gcn.GCN", "_partial_": True}
    marker = object()
    made = build(DictConfig({"_target_": "builtins.dict", "asks": conv, "does_not": gcn}), spec=marker)
    assert (made["asks"].keywords, made["does_not"].keywords) == ({"spec": marker}, {})


def test_what_a_constructor_refuses_is_a_mistake_in_its_section() -> None:
    cfg = DictConfig({"model": {"_target_": "torch.nn.Dropout", "p": 2}})
    with pytest.raises(UsageError, match=r"model does not fit: torch\.nn\.Dropout says: dropout") as refusal:
        build(cfg.model)
    assert isinstance(refusal.value.__cause__, ValueError)
    cfg = DictConfig({"optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": -1}})
    optimizer = build(cfg.optimizer)
    with pytest.raises(UsageError, match=r"optimizer does not fit: torch\.optim\.SGD says: Invalid learning rate: -1"):
        optimizer([nn.Parameter(torch.zeros(1))])


def test_no_encoding_has_one_name_however_it_is_typed() -> None:
    typed = ("encoding=[]", "encoding=none", "encoding=[none]")
    configs = [gnnlab.compose("model=gin", "dataset=zinc", "preset=none", how) for how in typed]
    assert all(cfg.encoding == {} for cfg in configs)
    assert len({config_hash(cfg) for cfg in configs}) == 1


def test_a_file_that_has_changed_is_read_again(compose: Compose, conf: Path) -> None:
    for act in ("gelu", "relu"):
        (conf / "model" / "mine.yaml").write_text(f"{{_target_: standin.Net, conv: null, act: {act}}}\n")
        assert compose("model=mine").model.act == act


def test_a_change_of_a_config_stays_in_it(compose: Compose) -> None:
    cfg = compose("dataset=molecules")
    cfg.model.hidden_dim = cfg.encoding.walks.steps = 99
    again = compose("dataset=molecules")
    assert (again.model.hidden_dim, again.encoding.walks.steps) == (64, 20)


def test_a_file_may_choose_by_what_was_chosen(compose: Compose, conf: Path) -> None:
    asked = "# @package _global_\ndefaults: [override /optimizer: 'of_${dataset}']\n"
    (conf / "experiment" / "like.yaml").write_text(asked)
    (conf / "optimizer" / "of_tiny.yaml").write_text("{_target_: standin.optimizer, _partial_: true, lr: 0.3}\n")
    assert compose("experiment=like", "dataset=tiny").optimizer.lr == 0.3
