"""Every refusal: the key as typed, what is wrong, and the nearest name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

import gnnlab
from gnnlab.errors import UsageError

Compose = Callable[..., DictConfig]

TYPOS = {
    "datset=tiny": "There is no setting datset; did you mean dataset",
    "dataset=tinny": "There is no dataset=tinny; did you mean tiny.? There are: molecules, tiny",
    "model/cnv=sum": "There is no group model/cnv; did you mean model/conv",
    "model/conv=summ": "There is no model/conv=summ; did you mean sum",
    "encoding=[walks,wave]": "There is no encoding=wave; did you mean waves",
    "encoding.walk.steps=2": "There is no setting encoding.walk; did you mean encoding.walks",
    "trainer.max_epoch=2": "There is no setting trainer.max_epoch; did you mean trainer.max_epochs",
    "+trainer.max_epoch=2": "There is no setting trainer.max_epoch; did you mean trainer.max_epochs",
    "model.conv.esp=2": "There is no setting model.conv.esp",
    "model.hidden=2": "model=net takes: conv, hidden_dim, act, dropout, widths",
    "lr=0.1": "There is no setting lr; did you mean optimizer.lr",
    "trainer.lr=0.1": "There is no setting trainer.lr; did you mean optimizer.lr",
    "+sede=1": "Nothing reads sede; did you mean seed",
    "+encoding.foo.k=1": "encoding=foo is not chosen",
    "loader.seed=1": "loader.seed cannot be set: the run itself hands seed",
    "seed": "'seed' is not of the form key=value",
    "model=net,walknet": "model=net,walknet asks for several runs: add -m",
    "encoding=walks,waves": r"or write encoding=\[…\] to use them together",
    "model=[net,walknet]": "model takes one choice",
    "model=null": "There is no model=None",
    "model/mixer=sum": "There is no group model/mixer; did you mean",
    "model=bare model/conv=sum": "model/conv=sum has no place: model=bare has no model/conv",
    "~model": "The config has no model",
}
TYPES = {
    "seed=one": "seed='one' does not fit: seed takes int",
    "seed=true": "seed=true does not fit",
    "trainer.max_epochs=1.5": "trainer.max_epochs=1.5 does not fit: trainer=default takes int",
    "trainer.max_epochs='3'": "trainer.max_epochs='3' does not fit",
    "trainer.max_epochs=null": "trainer.max_epochs=null does not fit",
    "trainer.clip=high": "trainer.clip='high' does not fit",
    "optimizer.betas=[0.9]": "optimizer.betas",
    "model.act=rleu": "model.act='rleu' does not fit: model=net takes one of relu, gelu; did you mean relu",
    "model.widths=[1,two]": "model.widths",
    "model.conv=3": "model.conv=3 does not fit",
    "dataset.fold=some": "dataset.fold='some' does not fit",
}
FINE = [
    "trainer.clip=1",
    "trainer.clip=null",
    "optimizer.betas=[0,1]",
    "optimizer.lr=1e-3",
    "model.act=gelu",
    "model.widths=[1,2,3]",
    "model.conv=null",
    "dataset.fold=all",
    "+data.anything=1",
    "encoding=none",
]
TARGETS = {
    "model._target_=os.system": "model=net names os.system, which lies outside gnnlab",
    "model._target_=torch.load": "lies outside",
    "model._target_=gnnlabx.Net": "lies outside",
    "model._target_=gnnlab.models.gsp.GPS": "gnnlab.models has no 'gsp'; did you mean gps",
    "model._target_=gnnlab.config.cli.os.system": "gnnlab.config.cli has no 'os'",
    "model._target_=gnnlab.config.cli.os": "gnnlab.config.cli has no 'os'",
    "model._target_=gnnlab.config.cli.get_args_parser": "which is borrowed from hydra._internal.utils",
    "model._target_=gnnlab.packed.Packed.take": "gnnlab.packed has no 'Packed'",
    "+trainer.clip={_target_:standin.loader}": "trainer.clip",
    "model._target_=standin.Nett": "standin has no 'Nett'; did you mean Net",
    "scheduler._target_=standin.step": "standin.step does not take epochs, which every scheduler is handed",
}
NEEDS = {
    "model/conv=edge": "model/conv=edge needs edge features, which dataset=tiny does not give; dataset=molecules would",
    "encoding=waves": "encoding=waves needs undirected graphs, which dataset=tiny does not give; dataset=molecules",
    "model=walknet model/conv=sum encoding=none": "model=walknet needs walks, which dataset=tiny does not give",
}


@pytest.mark.parametrize("typed", TYPOS | TYPES | TARGETS | NEEDS)
def test_refusals(compose: Compose, typed: str) -> None:
    with pytest.raises(UsageError, match=(TYPOS | TYPES | TARGETS | NEEDS)[typed]) as refusal:
        compose(*typed.split())
    assert "\n" not in str(refusal.value)
    assert " +" not in str(refusal.value)


@pytest.mark.parametrize("typed", FINE)
def test_what_fits_is_accepted(compose: Compose, typed: str) -> None:
    compose(typed)


def test_a_missing_argument_is_named(compose: Compose) -> None:
    with pytest.raises(UsageError, match=r"model=bare needs model\.conv"):
        compose("model=bare")


def test_a_file_cannot_allow_packages(conf: Path) -> None:
    (conf / "experiment" / "sly.yaml").write_text("# @package _global_\nallow: [standin]\n")
    with pytest.raises(UsageError, match=r"add allow=\[standin\] to the command"):
        gnnlab.compose("experiment=sly")


def test_hydras_own_section_runs_only_what_is_trusted(compose: Compose, conf: Path) -> None:
    sly = "# @package _global_\nhydra: {callbacks: {x: {_target_: os.system}}}\n"
    (conf / "experiment" / "sly.yaml").write_text(sly)
    with pytest.raises(UsageError, match=r"hydra\.callbacks\.x\._target_ names os\.system"):
        compose("experiment=sly")


def test_a_mistake_in_a_file_names_the_file(compose: Compose, conf: Path) -> None:
    (conf / "preset" / "net_tiny.yaml").write_text("# @package _global_\ndefaults: [override /model/conv: smu]\n")
    with pytest.raises(
        UsageError, match=r"model/conv=smu, which model/net\.yaml or what overrides it asks for; did you mean sum"
    ):
        compose()
    (conf / "preset" / "net_tiny.yaml").write_text("# @package _global_\ntraner: {max_epochs: 1}\n")
    with pytest.raises(UsageError, match="Nothing reads traner; did you mean trainer"):
        compose()
    (conf / "preset" / "net_tiny.yaml").write_text("model: {a\n")
    with pytest.raises(UsageError, match="net_tiny"):
        compose()


def test_an_unset_variable_is_named(compose: Compose) -> None:
    with pytest.raises(UsageError, match=r"out cannot be resolved: .*NOT_SET_ANYWHERE"):
        compose("out=${oc.env:NOT_SET_ANYWHERE}")


def test_unknown_resolvers_are_refused(compose: Compose) -> None:
    with pytest.raises(UsageError, match="shell"):
        compose("out=${shell:ls}")
