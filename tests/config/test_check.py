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
    "model.hidden=2": "model=net takes: conv, hidden_dim, act, dropout, rate, widths",
    "lr=0.1": "There is no setting lr; did you mean optimizer.lr",
    "trainer.lr=0.1": "There is no setting trainer.lr; did you mean optimizer.lr",
    "+sede=1": "Nothing reads sede; did you mean seed",
    "+encoding.foo.k=1": "encoding=foo is not chosen",
    "loader.seed=1": "loader.seed cannot be set: the run itself hands seed",
    "seed": "'seed' is not of the form key=value",
    "model=net,walknet": "model=net,walknet asks for several runs: add -m",
    "encoding=walks,waves": r"or write encoding=\[…\] to use them together",
    "model=[net,walknet]": "model takes one choice",
    "encoding=[walks,waves,walks]": r"encoding=\[walks,waves,walks\] names walks twice",
    "model=null": "There is no model=None",
    "model/mixer=sum": "There is no group model/mixer; did you mean",
    "model=bare model/conv=sum": "model/conv=sum has no place: model=bare has no model/conv",
    "~model": "a run cannot do without model; type model=<another>",
    "~seed": "a run cannot do without seed",
    "~encoding": r"a run cannot do without encoding; type encoding=\[\] for none",
    "model=bare preset=net_molecules": "preset=net_molecules does not fit: it asks for a model/conv, and model=bare",
}
TYPES = {
    "seed=one": "seed='one' does not fit: seed takes int",
    "seed=true": "seed=true does not fit",
    "seed=-1": "seed=-1 does not fit: seed takes int at least 0 and below 4294967296",
    "resume=atuo": "resume=atuo is neither never, nor auto, nor a run folder; did you mean auto",
    "ops=fussed": "ops='fussed' does not fit: ops takes one of auto, fused, reference; did you mean fused",
    "model.conv._partial_=false": r"model\.conv\._partial_ must be true: model/conv=sum waits for dim",
    "encoding.walks._partial_=true": r"encoding\.walks\._partial_ must be false: encoding=walks is built at once",
    "+model._recursive_=false": r"model\._recursive_ cannot be set",
    "optimizer._convert_=all": r"optimizer\._convert_ cannot be set",
    "+data._args_=[1]": r"data\._args_ cannot be set",
    "trainer.max_epochs=1.5": "trainer.max_epochs=1.5 does not fit: trainer=default takes int",
    "trainer.max_epochs='3'": "trainer.max_epochs='3' does not fit",
    "trainer.max_epochs=null": "trainer.max_epochs=null does not fit",
    "trainer.clip=high": "trainer.clip='high' does not fit",
    "optimizer.betas=[0.9]": "optimizer.betas",
    "model.act=rleu": "model.act='rleu' does not fit: model=net takes one of relu, gelu; did you mean relu",
    "model.widths=[1,two]": "model.widths",
    "model.conv=3": "model.conv=3 does not fit",
    "dataset.fold=some": "dataset.fold='some' does not fit: dataset=tiny takes int or all",
    "dataset.fold=5": "dataset.fold=5 does not fit: dataset=tiny has folds 0 … 4, and all",
    "dataset.fold=-1": "dataset.fold=-1 does not fit",
    "model.rate=1": "model.rate=1 does not fit: model=net takes float at least 0 and below 1 or null",
    "model.rate=nan": "model.rate=NaN does not fit",
    "budget=100kk": "budget=100kk is not a number of parameters",
}
FINE = [
    "trainer.clip=1",
    "trainer.clip=null",
    "optimizer.betas=[0,1]",
    "optimizer.lr=1e-3",
    "model.act=gelu",
    "model.rate=0",
    "model.rate=null",
    "budget=1.5M",
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
    "model._target_=gnnlab.cli.os.system": "gnnlab.cli has no 'os'",
    "model._target_=gnnlab.cli.os": "gnnlab.cli has no 'os'",
    "model._target_=gnnlab.cli.get_args_parser": "defined in hydra._internal.utils, which `allow` does not name",
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


SLY = {
    "data: {_target_: torch_geometric.io.fs.rm, path: x}": "torch_geometric.io.fs.rm, which lies outside",
    "data: {_target_: torch_geometric.datasets.Planetoid, root: x, name: y}": "lies outside",
    "data: {_target_: torch.nn.functional.relu, input: 1}": "names torch.nn.functional.relu, which is not a class",
    "data: {_target_: gnnlab.config.compose}": "names gnnlab.config.compose, which is not a class",
    "data: {_target_: gnnlab.trainer.checkpoint.read, path: x}": "which is not a class",
    "data: {_target_: gnnlab.results.page.html}": "which has no Python source to check",
    "data: {_args_: [1]}": r"data\._args_ cannot be set",
    "data: {more: [{_target_: gnnlab.config.conf_dir}]}": "which is not a class",
    "optimizer: {_target_: torch.optim.SGD, lr: {_target_: gnnlab.spec.Feature}}": "takes values and no parts",
    "optimizer: {_target_: torch.optim.AdamW, betas: [{_target_: gnnlab.spec.Feature}]}": "betas=.* does not fit",
    "optimizer: {_target_: torch.optim.SGD, lr: {_target_: torch_geometric.io.fs.rm}}": "lies outside",
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


def test_a_layer_may_ask_for_what_its_model_is_handed(compose: Compose, conf: Path) -> None:
    (conf / "model" / "conv" / "asking.yaml").write_text("{_target_: standin.SpecConv, _partial_: true}\n")
    compose("model/conv=asking", "+model.conv.eps=1.0")
    with pytest.raises(UsageError, match=r"model\.conv\.spec cannot be set: the run itself hands spec"):
        compose("model/conv=asking", "+model.conv.spec=1")


def test_a_file_cannot_allow_packages(conf: Path) -> None:
    (conf / "experiment" / "sly.yaml").write_text("# @package _global_\nallow: [standin]\n")
    with pytest.raises(UsageError, match=r"add allow=\[standin\] to the command"):
        gnnlab.compose("experiment=sly")


@pytest.mark.parametrize("text", SLY)
def test_a_file_can_name_no_more_than_parts(compose: Compose, conf: Path, text: str) -> None:
    (conf / "experiment" / "sly.yaml").write_text(f"# @package _global_\n{text}\n")
    with pytest.raises(UsageError, match=SLY[text]):
        compose("experiment=sly")


def test_hydras_own_section_runs_only_what_is_trusted(compose: Compose, conf: Path) -> None:
    sly = "# @package _global_\nhydra: {callbacks: {x: {_target_: os.system}}}\n"
    (conf / "experiment" / "sly.yaml").write_text(sly)
    with pytest.raises(UsageError, match=r"hydra\.callbacks\.x\._target_ names os\.system"):
        compose("experiment=sly")


@pytest.mark.parametrize(
    "hidden",
    [
        "{_target_: gnnlab.results.sweep.SweepTable, more: [{_target_: os.system, command: ls}]}",
        "{_target_: logging.FileHandler, filename: precious, mode: w}",
        "{_target_: hydra.utils.call, config: '${data}'}",
        "'${oc.create:{_target_:os.system}}'",
    ],
)
def test_nor_anything_hidden_in_it(compose: Compose, conf: Path, hidden: str) -> None:
    (conf / "experiment" / "sly.yaml").write_text(f"# @package _global_\nhydra: {{callbacks: {{x: {hidden}}}}}\n")
    with pytest.raises(UsageError, match="which lies outside"):
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
