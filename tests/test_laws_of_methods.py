"""Every aggregation policy and every rule that ranks edges keeps the laws of parts, in every kind of model."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gnnlab import compose
from gnnlab.aggregation.learnt import Learnt
from gnnlab.config import build
from gnnlab.packed import Packed
from gnnlab.prepared import methods
from gnnlab.testing import (
    assert_batch_independent,
    assert_finite_with_gradients,
    assert_permutation_equivariant,
    permuted,
    random_graph,
    sample,
    sample_spec,
    small,
)
from tests.sparsifiers.parts import make
from tests.test_laws import options

MODELS = {
    "gcn": "model=gcn",
    "gatedgcn": "model=gatedgcn",
    "gps": "model=gps model/conv=gine model/mixer=attention",
    "gcnii": "model=gcnii",
}
OF_ONE_GRAPH = ("learnt", "snowflake_v1")
POLICIES = [name for name in options("aggregation") if name not in ("none", *OF_ONE_GRAPH)]
DETERMINED = ("degree", "teddy", "effective_resistance")
"""Rules whose scores follow from the graph, and not from chance."""


def with_policy(model: str, policy: str, graphs: Packed) -> nn.Module:
    settings = ("model.hidden_dim=16", "model.num_layers=2", "encoding=[]", "preset=none", "dataset=zinc")
    cfg = compose(*MODELS[model].split(), f"aggregation={policy}", *settings)
    torch.manual_seed(0)
    made = build(cfg.model, spec=sample_spec("node"), encodings=[])
    methods(cfg, made, sample_spec("node"), graphs)
    return made


def assert_lawful(model: nn.Module, graphs: Packed) -> None:
    assert_permutation_equivariant(model, small(graphs), node_level=True)
    assert_batch_independent(model, graphs)
    assert_finite_with_gradients(model, small(graphs))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("policy", POLICIES)
def test_policies(policy: str, model: str) -> None:
    graphs = small(sample())
    made = with_policy(model, policy, graphs)
    assert_lawful(made, graphs)
    if hasattr(made.aggregation, "gated"):
        made.aggregation.gated.fill_(True)
        assert_lawful(made, graphs)


@pytest.mark.parametrize("model", MODELS)
def test_a_learnt_mask_belongs_to_edges_and_not_to_their_numbers(model: str) -> None:
    generator = torch.Generator().manual_seed(0)
    graphs = Packed.from_graphs([random_graph(12, 30, generator)])
    graphs = replace(graphs, edge={**graphs.edge, "mask": torch.rand(graphs.num_edges, generator=generator)})
    moved, order = permuted(graphs)
    outs = []
    for one in (graphs, moved):
        made = with_policy(model, "none", one)
        made.aggregation = Learnt(one)
        made.aggregation.mask.data = one.edge["mask"]
        with torch.no_grad():
            outs.append(made.eval()(one.batch()))
    assert_close(outs[1], outs[0][order])


@pytest.mark.parametrize("rule", DETERMINED)
def test_which_edges_stay_does_not_depend_on_node_numbers(rule: str) -> None:
    """But for edges of equal score: as much score stays."""
    graphs = small(sample())
    found = []
    for one in (graphs, permuted(graphs)[0]):
        sparsifier = make(rule, 0.5)
        kept, score = sparsifier.kept(one), sparsifier.score(one)
        found.append((int(kept.sum()), float(score[kept].double().sum())))
    assert found[0][0] == found[1][0]
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4)
