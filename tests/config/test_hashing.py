"""The hash names the experiment, not the run."""

import pytest
from omegaconf import DictConfig, OmegaConf

from gnnlab.config import config_hash
from gnnlab.config.hashing import completed

CONFIG = {
    "seed": 0,
    "out": "runs",
    "data": {"mirror": "${oc.env:NOT_SET,null}"},
    "dataset": {"name": "a", "fold": 0},
    "trainer": {"max_epochs": 3, "device": "cpu", "progress": True},
    "scheduler": {"warmup": 5},
    "model": {"dim": 8, "conv": {"eps": 0.0}},
}


def changed(path: str, value: object) -> DictConfig:
    cfg = DictConfig(CONFIG)
    section, _, key = path.rpartition(".")
    (cfg[section] if section else cfg)[key] = value
    return cfg


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("out", "elsewhere"),
        ("data", None),
        ("logger", {"csv": {}}),
        ("allow", ["x"]),
        ("resume", "auto"),
        ("ops", "reference"),
        ("dataset.fold", 1),
        ("trainer.device", "cuda"),
        ("trainer.progress", False),
        ("trainer.choose", "metric"),
        ("scheduler.watch", "metric"),
    ],
)
def test_it_ignores_what_does_not_decide_results(path: str, value: object) -> None:
    assert config_hash(changed(path, value)) == config_hash(DictConfig(CONFIG))


@pytest.mark.parametrize(
    ("path", "value"),
    [("trainer.max_epochs", 4), ("model.dim", 9), ("dataset.name", "b"), ("scheduler.watch", "loss")],
)
def test_it_tells_experiments_apart(path: str, value: object) -> None:
    assert config_hash(changed(path, value)) != config_hash(DictConfig(CONFIG))


def test_a_config_of_an_earlier_version_is_completed_and_keeps_its_name() -> None:
    earlier = OmegaConf.create(CONFIG)
    later = OmegaConf.create(completed(OmegaConf.to_container(earlier)))
    assert (later.ops, later.trainer.choose, later.encoding) == ("auto", "metric", {})
    assert later.scheduler == earlier.scheduler, "not every schedule has a plateau's settings"
    later.pop("encoding")  # its absence had another name
    assert config_hash(later) == config_hash(earlier)


def test_the_order_of_keys_does_not_matter() -> None:
    digest = config_hash(DictConfig(CONFIG))
    assert config_hash(DictConfig(dict(reversed(CONFIG.items())))) == digest
    assert len(digest) == 8
    assert set(digest) <= set("0123456789abcdef")
