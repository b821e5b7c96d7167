"""Every preset: `model=… dataset=…` alone builds the model of the published size, before any data is there.

One that leans on another (`defaults: [gcn_texas]`) is that one, perhaps with values of its own, and may go unbuilt.
"""

import re

import pytest
import yaml

from gnnlab import compose
from gnnlab.config import build, conf_dir
from gnnlab.results.published import cells

PARAMETERS = {
    "gps_zinc": 423_717,
    "gps_pattern": 337_201,
    "gps_cluster": 502_054,
    "gps_csl": 169_510,  # our own, not published
    "gcn_zinc": 103_077,
    "gin_zinc": 103_079,
    "gatedgcn_zinc": 105_875,
    "graphsage_zinc": 106_290,
    "gat_zinc": 102_385,
    "monet_zinc": 106_002,
    "graph_transformer_zinc": 588_929,
    "grit_zinc": 473_921,  # of 28 kinds of atoms; the release counts 21
    "sswl_zinc": 385_651,  # published: 386,900, see tests/models/test_sswl.py
    "gcn_cora": 23_063,
    "gcn_citeseer": 59_366,
    "gat_cora": 92_487,
    "prenorm_minesweeper": 3_948_033,
    "gatedgcn_tsp": 97_858,
    "gps_pcqm_contact": 512_704,
    "gcnii_cora": 354_375,
    "h2gcn_texas": 121_733,
    "h2gcn_cora_geom_gcn": 120_967,
    "mlp_texas": 113_541,
    "gcn_csl": 103_993,  # published: 103,847, without our constant vector of nodes
    "gcn_enzymes": 103_845,  # published: 103,407, without the labels
    "gin_pattern": 100_994,  # published: 100,884
    "pna_zinc": 402_955,  # published: 387,155, see tests/models/test_parameter_counts.py
}
PRESETS = {path.stem: path.read_text() for path in sorted((conf_dir() / "preset").glob("*.yaml"))}
STATED = {name: said for name, text in PRESETS.items() if (said := re.search(r"(\d+\.?\d*) ± (\d+\.?\d*)", text))}
"""Of those that a published mean and deviation belong to, both."""


def leans(name):
    return any(isinstance(choice, str) for choice in (yaml.safe_load(PRESETS[name]) or {}).get("defaults", ()))


def test_the_table_names_every_preset():
    assert {name for name in PRESETS if not leans(name)} <= {*PARAMETERS, "none"} <= set(PRESETS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_size(name):
    dataset = next(path.stem for path in (conf_dir() / "dataset").glob("*.yaml") if name.endswith(f"_{path.stem}"))
    cfg = compose(f"model={name.removesuffix(f'_{dataset}')}", f"dataset={dataset}")
    spec = build(cfg.dataset, source=build(cfg.data)).spec()
    encodings = [build(section) for section in (cfg.get("encoding") or {}).values()]
    built = build(cfg.model, spec=spec, encodings=encodings)
    assert sum(parameter.numel() for parameter in built.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("model", "dataset", "width"),
    [
        ("gcn", "pattern", 146),
        ("gin", "csl", 110),
        ("gin", "enzymes", 110),
        ("gatedgcn", "csl", 70),
        ("gatedgcn", "enzymes", 69),
        ("gatedgcn", "pattern", 70),
    ],
)
def test_width_of_one_that_leans_on_another(model, dataset, width):
    assert compose(f"model={model}", f"dataset={dataset}").model.hidden_dim == width


@pytest.mark.parametrize("name", ["gcn_csl", "gin_enzymes", "gatedgcn_pattern", "gatedgcn_tsp"])
def test_plateaus_of_benchmarking_gnns_are_those_of_the_loss(name):
    model, dataset = name.split("_")
    assert compose(f"model={model}", f"dataset={dataset}").scheduler.watch == "loss"


@pytest.mark.parametrize("dataset", ["texas", "cornell", "wisconsin", "actor"])
@pytest.mark.parametrize("model", ["gcn", "gat", "h2gcn", "gcnii"])
def test_features_of_web_pages_are_divided_by_their_sum(model, dataset):
    assert compose(f"model={model}", f"dataset={dataset}").dataset.normalize_features


@pytest.mark.parametrize("dataset", ["roman_empire", "amazon_ratings", "tolokers", "questions"])
def test_the_heterophilous_graphs_have_one_setting(dataset):
    cfg, like = (compose("model=prenorm", f"dataset={name}") for name in (dataset, "minesweeper"))
    assert (cfg.model, cfg.optimizer, cfg.trainer) == (like.model, like.optimizer, like.trainer)


@pytest.mark.parametrize("name", STATED)
def test_its_comment_says_the_number_that_tables_show(name):
    known = {numbers for row in cells() if f"{row.model}_{row.dataset}" == name for numbers in forms(row)}
    assert tuple(map(float, STATED[name].groups())) in known


def forms(row):
    """A mean and a deviation as a share and in per cent."""
    pairs = ([round(float(value or 0) * factor, 6) for value in (row.mean, row.std)] for factor in (1, 100))
    return map(tuple, pairs)
