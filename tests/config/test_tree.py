"""Every file under conf/ composes and passes the check, alone and where parts meet; nothing is built."""

from itertools import product
from pathlib import Path

import pytest

import gnnlab
from gnnlab.config import conf_dir, config_hash
from gnnlab.errors import UsageError


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


GROUPS = sorted({path.parent.name for path in conf_dir().glob("*/*.yaml")} - {"hydra", "preset"})
CHOICES = [f"{group}={option}" for group in GROUPS for option in options(group)]
PRESETS = [name for name in options("preset") if name != "none"]
LEANING = [name for name in PRESETS if "defaults: [" in (conf_dir() / "preset" / f"{name}.yaml").read_text()]
LAYERS = [f"model/{path.parent.name}={path.stem}" for path in sorted((conf_dir() / "model").glob("*/*.yaml"))]


@pytest.mark.parametrize("choice", CHOICES)
def test_every_option_composes(choice: str) -> None:
    one_graph = choice.startswith(("loader=", "aggregation=", "sparsifier="))
    fixed = () if choice.startswith(("dataset=", "experiment=")) else (f"dataset={'arxiv' if one_graph else 'zinc'}",)
    assert config_hash(gnnlab.compose(choice, *fixed))


def pair_of(preset: str) -> tuple[str, str]:
    names = product(options("model"), options("dataset"))
    model, dataset = next(pair for pair in names if "_".join(pair) == preset)
    return f"model={model}", f"dataset={dataset}"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_picked_up(name: str) -> None:
    pair = pair_of(name)
    assert config_hash(gnnlab.compose(*pair)) == config_hash(gnnlab.compose(*pair, f"preset={name}"))


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in LEANING])
def test_a_preset_gives_way(name: str) -> None:
    gnnlab.compose(*pair_of(name), "encoding=[rwse,degree]", "optimizer=sgd", "scheduler=constant")


@pytest.mark.parametrize(("model", "layer"), list(product(["gps", "mpnn"], LAYERS)))
def test_every_layer_fits_or_is_refused_in_a_sentence(model: str, layer: str) -> None:
    refusal = ""
    try:
        dataset = "pcqm_contact" if layer == "model/head=dot" else "zinc"
        gnnlab.compose(f"model={model}", f"dataset={dataset}", layer)
    except UsageError as error:
        refusal = str(error)
    impossible = model == "mpnn" and (layer == "model/conv=none" or "mixer" in layer)
    assert bool(refusal) == impossible, refusal
    assert "\n" not in refusal


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("defaults: [gps]\nhidden_dim: 32\n")
    assert gnnlab.compose("model=mine", config_dir=tmp_path).model.hidden_dim == 32


@pytest.mark.parametrize("name", [path.stem for path in sorted((conf_dir() / "dataset").glob("*directed.yaml"))])
def test_a_variant_is_its_data_set_with_another_class(name: str) -> None:
    base, _, _ = name.rpartition("_")
    variant = gnnlab.compose(f"dataset={name}", "model=gcnii", "preset=none")
    typed = gnnlab.compose(
        f"dataset={base}", f"dataset._target_={variant.dataset._target_}", "model=gcnii", "preset=none"
    )
    assert variant == typed
    assert config_hash(variant) == config_hash(typed)
    assert config_hash(variant) != config_hash(gnnlab.compose(f"dataset={base}", "model=gcnii", "preset=none"))
