"""The heterophilic snowflake: its depths gate what a node hears, and its trainings are those of the backbone."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gnnlab import compose, prepare, run
from gnnlab.aggregation.node_depth import listen
from gnnlab.aggregation.snowflake import Snowflake
from gnnlab.aggregation.snowflake_figure import field
from gnnlab.batch import Batch
from gnnlab.config import build
from gnnlab.testing import (
    assert_batch_independent,
    assert_finite_with_gradients,
    assert_padding_changes_nothing,
    assert_permutation_equivariant,
    sample,
    sample_spec,
)
from gnnlab.verify import verify
from tests.interrupted import assert_resumes


def gated(beta: float, layers: int = 4, released: bool = False) -> nn.Module:
    """A node-level GCN of random weights with a snowflake in its second stage."""
    smooth = ("model/head=flat", "model.act=elu")  # their gradients are nowhere 0
    quick = ("dataset=zinc", "encoding=[]", "preset=none", "model.hidden_dim=8", f"model.num_layers={layers}")
    cfg = compose("model=mpnn", "model/conv=gcn", *smooth, *quick)
    torch.manual_seed(0)
    model = build(cfg.model, spec=sample_spec("node"), encodings=[])
    model.aggregation = Snowflake(sample_spec("node"), layers, beta, as_released=released)
    model.aggregation.gated.fill_(True)
    return model


def hears(model: nn.Module, batch: Batch) -> Tensor:
    """[N, N] bool: whether the output of node i depends on the features of node j."""
    batch = Batch(**{**vars_of(batch), "node": {**batch.node, "depth": model.aggregation.depth(model, batch)}})
    states: list[Tensor] = []

    def note(module: nn.Module, args: tuple, x: Tensor) -> Tensor:
        states.append(x.detach().requires_grad_())
        return states[-1]

    handle = model.nodes.register_forward_hook(note)
    out = model.double().eval()(batch)
    handle.remove()
    rows = [torch.autograd.grad(out[i].sum(), states[-1], retain_graph=True)[0] for i in range(batch.num_nodes)]
    return torch.stack(rows).abs().sum(-1) > 0


def vars_of(batch: Batch) -> dict:
    return {name: getattr(batch, name) for name in batch.__dataclass_fields__}


def test_an_infinite_beta_makes_depth_one() -> None:
    """Outputs depend on the neighbours, and on nothing beyond one hop."""
    batch = sample().batch(3, 4)
    near = torch.eye(batch.num_nodes, dtype=torch.bool)
    near[batch.edge_index[1], batch.edge_index[0]] = True
    found = hears(gated(float("inf")), batch)
    assert torch.equal(found, near)


@pytest.mark.parametrize(("beta", "released"), [(0.03, False), (0.2, False), (0.08, True)])
def test_outputs_depend_on_the_receptive_field(beta: float, released: bool) -> None:
    """That which the figure draws, whatever the depths."""
    model, batch = gated(beta, released=released), sample().batch(3, 4)
    depth = model.aggregation.depth(model, batch)
    assert len(depth.unique()) > 1
    fields = torch.stack([field(batch, depth, node, model.aggregation.end)[0] for node in range(batch.num_nodes)])
    found = hears(model, batch)
    assert torch.equal(found, fields)


def test_masks_are_nested_and_keep_self_loops() -> None:
    graphs = sample()
    loops = torch.arange(graphs.num_nodes).expand(2, -1)
    batch = graphs.batch()
    batch.edge_index = torch.cat([batch.edge_index, loops], 1)
    depth = torch.randint(1, 6, (graphs.num_nodes,), generator=torch.Generator().manual_seed(0))
    masks = [listen(batch, depth)(layer, torch.zeros(1)) for layer in range(6)]
    assert masks[0] is None
    for outer, inner in zip(masks[2:], masks[1:], strict=False):
        assert outer is not None
        assert inner is not None
        assert (outer <= inner).all()
        assert outer[-graphs.num_nodes :].all()
    assert not masks[5][: -graphs.num_nodes].any()


@pytest.mark.parametrize("beta", [0.0, 0.03, 0.2])
def test_laws_in_the_second_stage(beta: float) -> None:
    """For the whole of it: weights, scores, depths, gates."""
    model, graphs = gated(beta), sample()
    assert_permutation_equivariant(model, graphs, node_level=True)
    assert_batch_independent(model, graphs)
    assert_finite_with_gradients(model, graphs)
    assert_padding_changes_nothing(model, graphs)


def test_laws_in_the_first_stage() -> None:
    model, graphs = gated(0.1), sample()
    model.aggregation.gated.fill_(False)
    assert_permutation_equivariant(model, graphs, node_level=True)
    assert_batch_independent(model, graphs)
    assert_finite_with_gradients(model, graphs)
    assert_padding_changes_nothing(model, graphs)


def test_the_task_trains_the_predictor() -> None:
    model, batch = gated(0.1), sample().batch()
    model.aggregation.gated.fill_(False)
    model(batch).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.aggregation.parameters())


def test_beta_0_is_the_plain_backbone(fit, tmp_path: Path) -> None:
    """To the bit: the same initial weights, the same steps, the same best weights."""
    _, plain = fit("plain", "model.dropout=0")
    made, snow = fit("snow", "model.dropout=0", "aggregation=snowflake", "aggregation.beta=0")
    assert [phase.name for phase in made.phases] == ["proxy", "gated"]
    rows = [{**row, "epoch": row["epoch"] - 4} for row in snow.history if row["phase"] == "gated"]
    assert [{**row, "phase": "gated"} for row in plain.history] == rows
    assert snow.test == plain.test
    one, other = (torch.load(tmp_path / name / "best.pt", weights_only=True) for name in ("plain", "snow"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_second_stage_does_not_touch_the_predictor(fit) -> None:
    made, _ = fit("run", "aggregation=snowflake", "aggregation.beta=0.1", "aggregation.stage1_epochs=2")
    assert [phase.epochs for phase in made.phases] == [2, 4]
    assert not any(parameter.requires_grad for parameter in made.model.aggregation.parameters())
    first = {name: value.clone() for name, value in made.model.aggregation.state_dict().items()}
    again, _ = fit(
        "again", "aggregation=snowflake", "aggregation.beta=0.1", "aggregation.stage1_epochs=2", "trainer.max_epochs=1"
    )
    assert all(torch.equal(value, first[name]) for name, value in again.model.aggregation.state_dict().items())


def test_resumed_in_any_phase_and_in_one_that_comes_after(composed, tmp_path: Path) -> None:
    """Each of the three has four steps."""
    overrides = ("aggregation=snowflake", "aggregation.beta=0.1", "pruning=magnitude", "pruning.keep=0.5")
    assert_resumes(composed(*overrides, "trainer.ema=0.9"), tmp_path, stops=[2, 4, 5, 7, 10])


@pytest.mark.parametrize("kind", ["plain", "no_edges", "isolated", "self_loops", "one_class"])
def test_runs_on_odd_graphs_are_verified_to_the_digit(composed, tmp_path: Path, kind: str) -> None:
    cfg = composed("aggregation=snowflake", "aggregation.beta=0.1", f"dataset.kind={kind}", f"out={tmp_path}")
    found = run(cfg).result["method"]
    (folder,) = tmp_path.glob("*/seed0")
    assert (folder / "receptive_fields.png").stat().st_size > 1000
    assert json.loads((folder / "result.json").read_text())["method"] == found
    assert verify(folder, allow=["tests"])
    assert len(found["edges_kept_per_layer"]) == len(found["depth_histogram"]) == 3
    assert found["edges_kept_per_layer"] == sorted(found["edges_kept_per_layer"], reverse=True)
    if kind == "one_class":
        assert found["homophily"] == 1
    if kind == "no_edges":
        assert found["homophily"] is None
    if kind == "plain":
        assert 1 < found["depth_mean"] < 3
        assert sum(found["depth_histogram"]) <= 40


@pytest.mark.parametrize("layers", [1, 2, 64])
def test_from_one_layer_to_sixty_four(fit, layers: int) -> None:
    _, result = fit("run", "aggregation=snowflake", f"model.num_layers={layers}", "trainer.max_epochs=1")
    assert result.test["accuracy"] >= 0


def test_of_many_graphs_each_has_depths_of_its_own(tmp_path: Path) -> None:
    """Splits carry them; a batch that does not gets the same."""
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "many.yaml").write_text("_target_: tests.composition.tiny.Graphs\ntarget: regression\n")
    quick = ("model.hidden_dim=8", "model.num_layers=3", "encoding=[]", "preset=none", "allow=[tests]")
    cfg = compose("model=gin", "dataset=many", *quick, "aggregation=snowflake", "aggregation.beta=0.15",
                  f"data.root={tmp_path}", config_dir=tmp_path)  # fmt: skip
    made = prepare(cfg)
    policy, loaders = made.model.aggregation, made.phases[1].loaders
    made.phases[1].on_start(made.model)
    (carrying,), (bare,) = loaders["val"].epoch(0), made.loaders["val"].epoch(0)
    assert "depth" not in bare.node
    assert len(carrying.node["depth"].unique()) > 1
    assert torch.equal(policy.depth(made.model, bare), carrying.node["depth"])


def test_a_sparsified_graph_has_depths_of_its_own(fit, tmp_path: Path) -> None:
    overrides = ("aggregation=snowflake", "aggregation.beta=0.1", "sparsifier=random", "sparsifier.keep=0.5")
    made, _ = fit("run", *overrides)
    whole, (fewer,) = made.loaders["test"].packed, made.last["test"].epoch(0)
    assert fewer.num_edges < whole.num_edges
    assert torch.equal(fewer.node["depth"], made.model.aggregation.find(fewer))


def test_splits_of_one_graph_share_what_was_found(fit) -> None:
    made, _ = fit("run", "aggregation=snowflake")
    assert len(made.model.aggregation.found) == 1
