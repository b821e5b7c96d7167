"""Every conv, mixer, head, model and encoding there is, found by listing the config groups, keeps the laws.

Permutation equivariance, batch independence (sizes 1 to 400, small graphs first and last), graphs
without edges, isolated nodes, single nodes and several components: in every model they can sit in.
"""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import nn

from gnnlab import compose
from gnnlab.config import build, conf_dir
from gnnlab.nn.norm import Norm
from gnnlab.packed import Packed
from gnnlab.spec import Level
from gnnlab.testing import (
    assert_batch_independent,
    assert_encoding_lawful,
    assert_finite_with_gradients,
    assert_permutation_equivariant,
    sample_for,
    sample_spec,
    small,
)


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


HEADS = options("model/head")
COMPOSITIONS = sorted(
    {f"model={model}" for model in options("model")}
    | {f"model=gps model/conv={conv} model/mixer=attention" for conv in options("model/conv")}
    | {f"model=gps model/conv=gine model/mixer={mixer}" for mixer in options("model/mixer")}
    | {f"model=mpnn model/conv={conv}" for conv in options("model/conv") if conv != "none"}
    | {f"model={model} model/head={head}" for model in ("gps", "mpnn") for head in HEADS if head != "dot"}
    | {f"model={model} encoding=[{encoding}]" for model in ("gps", "mpnn") for encoding in options("encoding")}
    | {f"model={model} model.norm={norm}" for model in ("gps", "mpnn") for norm in get_args(Norm)}
)
AT_NODE_LEVEL = [row for row in COMPOSITIONS if row.count("=") == 1 or "model/head" in row]
"""Other parts do not know the level."""
AT_EACH_LEVEL: list[tuple[str, Level]] = [
    *((row, "graph") for row in COMPOSITIONS),
    *((row, "node") for row in AT_NODE_LEVEL),
    *((f"model={model}", "edge") for model in options("model")),
    *((f"model=gps model/head={head}", "edge") for head in HEADS),
]


def composed(composition: str, level: Level) -> tuple[nn.Module, Packed]:
    """The model, and graphs with its encodings."""
    dataset = "dataset=pcqm_contact" if level == "edge" else "dataset=zinc"
    depth = [] if "model=mlp" in composition else ["model.num_layers=2"]
    cfg = compose(*composition.split(), dataset, "preset=none", "model.hidden_dim=64", *depth)
    encodings = [build(section) for section in (cfg.get("encoding") or {}).values()]
    torch.manual_seed(0)
    model = build(cfg.model, spec=sample_spec(level), encodings=encodings)
    return model, sample_for(model, encodings, level)


@pytest.mark.parametrize(("composition", "level"), AT_EACH_LEVEL)
def test_models(composition: str, level: Level) -> None:
    model, graphs = composed(composition, level)
    assert_permutation_equivariant(model, small(graphs), node_level=level == "node")
    assert_batch_independent(model, graphs)
    assert_finite_with_gradients(model, small(graphs))


@pytest.mark.parametrize("name", options("encoding"))
def test_encodings(name: str) -> None:
    for section in (compose(f"encoding=[{name}]", "dataset=zinc", "preset=none").get("encoding") or {}).values():
        assert_encoding_lawful(build(section))


def test_an_empty_graph_changes_nothing_for_the_others() -> None:
    model, packed = composed("model=gps", "graph")
    first = torch.tensor([0, 1, 2, 3, 3, 4, 5, 6, 7])  # graph 3 of 8 has no nodes
    torn = replace(packed, ptr=packed.ptr[first], edge_ptr=packed.edge_ptr[first], graph={})
    with torch.no_grad():
        plain, with_hole = model.eval()(packed.batch()), model(torn.batch())
    torch.testing.assert_close(torch.cat([with_hole[:3], with_hole[4:]]), plain)
    assert torch.isfinite(with_hole).all()
