"""Anything plugs into anything, or says why not: any two parts of different groups train together or are refused.

The groups and their options are those of the `conf` folder: a new part joins by being there. A refusal is a
`UsageError` that names the two parts, before any data is touched or when the model is built.
"""

import re
from collections.abc import Callable, Sequence
from itertools import combinations, product
from pathlib import Path

import pytest
import torch
import yaml

from gnnlab import compose, prepare
from gnnlab.config import conf_dir
from gnnlab.config.sections import LISTS
from gnnlab.errors import UsageError
from tests.composition.covering import UNSET, Covering, Row

MODEL = {"model", "encoding", "dataset"}
APART = {"hydra", "dataset", "optimizer", "scheduler", "trainer", "logger", "preset", "experiment", "debug"}
TASKS = {
    "Graphs": ["regression", "multiclass", "multilabel", "sequence"],
    "PlainGraphs": ["regression", "multiclass", "multilabel"],
    "Nodes": ["binary", "multiclass"],
    "PlainNodes": ["binary", "multiclass"],
    "OneGraph": ["multiclass"],
    "Edges": ["binary", "multiclass"],
}


def options() -> dict[str, list[str]]:
    """Group to options: all that a model is made of, and the tiny data sets."""
    conf = conf_dir()
    groups = sorted(path.relative_to(conf).as_posix() for path in conf.rglob("*") if path.is_dir())
    found = {
        group: sorted(path.stem for path in (conf / group).glob("*.yaml"))
        for group in groups
        if group.split("/")[0] not in APART
    }
    inner = {group: [*names, UNSET] for group, names in found.items() if "/" in group}
    return {**found, **inner, "dataset": [f"{name}_{target}" for name, targets in TASKS.items() for target in targets]}


def is_named_setting(model: str) -> bool:
    """Whether the option is another model with settings of its own, and no model with a class of its own."""
    return "_target_" not in yaml.safe_load((conf_dir() / "model" / f"{model}.yaml").read_text())


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of config files with the tiny data sets."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "dataset").mkdir()
    for name, targets in TASKS.items():
        for target in targets:
            text = f"_target_: tests.composition.tiny.{name}\ntarget: {target}\n"
            (folder / "dataset" / f"{name}_{target}.yaml").write_text(text)
    return folder


def typed(group: str, option: str) -> str:
    return f"{group}=[{option}]" if group in LISTS else f"{group}={option}"


def train_two_steps(row: Row, datasets: Path) -> None:
    """Losses stay finite, and what has a gradient moves. Raises `UsageError` where the parts do not fit."""
    choices = [typed(group, option) for group, option in row.items() if option != UNSET]
    depth = [] if row["model"] == "mlp" else ["model.num_layers=2"]
    quick = ["model.hidden_dim=32", *depth, "preset=none", "logger=[]", f"data.root={datasets / 'data'}"]
    made = prepare(compose(*choices, *quick, "allow=[tests]", config_dir=datasets))
    (batch,) = made.loaders["train"].epoch(0)
    before = {name: parameter.detach().clone() for name, parameter in made.model.named_parameters()}
    optimizer = torch.optim.Adam(made.model.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        loss = made.task.loss(made.model(batch), batch)
        assert loss.isfinite(), f"the loss is {loss}"
        loss.backward()
        optimizer.step()
    after = dict(made.model.named_parameters())
    moved = {name for name, parameter in after.items() if not torch.equal(parameter, before[name])}
    pushed = {name for name, parameter in after.items() if parameter.grad is not None and parameter.grad.any()}
    assert moved, "nothing has moved"
    assert pushed <= moved, f"{pushed - moved} have gradients and did not move"


def refused_pair(row: Row, message: str) -> list[tuple[str, str]]:
    """The parts of the row that a refusal names, as they are typed: two."""
    named = [(group, option) for group, option in row.items() if re.search(rf"\b{group}={option}(?!\w)", message)]
    assert len(named) == 2, f"names {len(named)} parts of the row: {message}"
    return named


def failures(covering: Covering, broken: Callable[[Row], Sequence[str] | None]) -> list[str]:
    """What goes wrong in the rows of the covering array, a line each; `broken(row)` says what is not as promised."""
    found = []
    for row in covering:
        try:
            found += [f"{row}: {problem}" for problem in broken(row) or ()]
        except UsageError as refusal:
            try:
                covering.refused(*refused_pair(row, str(refusal)))
                continue
            except AssertionError as error:
                found.append(f"{row}: {error}")
        except Exception as error:
            found.append(f"{row}: {type(error).__name__}: {error}")
        covering.covered(row)
    return found


def assert_they_fit(groups: dict[str, list[str]], datasets: Path) -> None:
    found = failures(Covering(groups), lambda row: train_two_steps(row, datasets))
    assert not found, "\n".join(found)


def test_any_two_parts_train_together_or_are_refused_by_name(datasets: Path) -> None:
    groups = {group: names for group, names in options().items() if group.split("/")[0] in MODEL}
    groups["model"] = [name for name in groups["model"] if not is_named_setting(name)]
    assert_they_fit(groups, datasets)


@pytest.mark.slow
def test_so_do_the_methods_that_change_how_a_model_learns(datasets: Path) -> None:
    groups = options()
    groups["model"] = [name for name in groups["model"] if not is_named_setting(name)]
    assert_they_fit(groups, datasets)


@pytest.mark.slow
def test_so_do_the_named_settings_of_models(datasets: Path) -> None:
    groups = options()
    groups["model"] = [name for name in groups["model"] if is_named_setting(name)]
    assert_they_fit(groups, datasets)


def test_the_array_covers_every_pair_and_keeps_refused_ones_apart() -> None:
    groups = {"a": ["1", "2", "3"], "b": ["1", "2"], "c": ["1", "2", "3", UNSET]}
    covering, rows = Covering(groups), []
    for row in covering:
        if row["a"] == "1" and row["b"] == "2":
            covering.refused(("a", "1"), ("b", "2"))
            continue
        rows.append(row)
        covering.covered(row)
    met = {frozenset(pair) for row in rows for pair in combinations(row.items(), 2)}
    asked = {group: [name for name in names if name != UNSET] for group, names in groups.items()}
    wanted = {
        frozenset([(one, x), (other, y)])
        for one, other in combinations(groups, 2)
        for x, y in product(asked[one], asked[other])
    }
    assert wanted - met == {frozenset([("a", "1"), ("b", "2")])}
