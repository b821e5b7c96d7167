"""A budget of parameters is spent to within one step of width, and never exceeded."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gnnlab import compose, run
from gnnlab.budget import widen
from gnnlab.config import build, config_hash
from gnnlab.config.root import num_parameters
from gnnlab.errors import UsageError
from gnnlab.testing import sample_spec


def parameters(cfg) -> int:
    return sum(parameter.numel() for parameter in make(cfg).parameters())


def make(cfg):
    return build(cfg.model, spec=sample_spec("graph"), encodings=[])


@pytest.mark.parametrize(("text", "number"), [("500k", 500_000), ("1.5M", 1_500_000), (70000, 70000)])
def test_numbers(text: str | int, number: int) -> None:
    assert num_parameters(text) == number


@pytest.mark.parametrize("text", ["", "k", "0", "-5", "10g", "half a million"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number of parameters"):
        num_parameters(text)


@pytest.mark.parametrize("budget", ["20k", "100k", "500k"])
@pytest.mark.parametrize("model", ["gps", "gatedgcn", "gat", "pna"])
def test_the_greatest_width_that_fits(model: str, budget: str) -> None:
    cfg = compose(f"model={model}", "preset=none", "encoding=[]", f"budget={budget}")
    widen(cfg.model, cfg.budget, lambda: make(cfg))
    assert parameters(cfg) <= num_parameters(budget)
    for more in range(1, 9):
        wider = OmegaConf.merge(cfg, {"model": {"hidden_dim": cfg.model.hidden_dim + more}})
        try:
            assert parameters(wider) > num_parameters(budget)
        except UsageError:
            continue


def test_a_run_keeps_the_name_of_its_config(tmp_path: Path) -> None:
    cfg = compose("model=gin", "encoding=[]", "budget=20k", "trainer.max_epochs=1", "dataset.fold=0", f"out={tmp_path}")
    name = config_hash(cfg)
    cfg.data.root = str(tmp_path)
    result = run(cfg).result
    assert result["config_hash"] == config_hash(cfg) == name
    assert 19_000 < result["parameters"] <= 20_000


def test_too_small() -> None:
    cfg = compose("model=gps", "encoding=[]", "preset=none")
    with pytest.raises(UsageError, match="too small"):
        widen(cfg.model, 10, lambda: make(cfg))


def test_a_model_without_a_width() -> None:
    with pytest.raises(UsageError, match="does not have"):
        widen(OmegaConf.create({"depth": 3}), 10, lambda: None)  # type: ignore[arg-type, return-value]


def test_only_a_budget_that_is_set_counts_in_the_hash() -> None:
    plain = compose()
    assert config_hash(compose("budget=100k")) != config_hash(plain)
    del plain.budget
    assert config_hash(plain) == config_hash(compose())
