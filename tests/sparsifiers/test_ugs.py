"""UGS and WD-GLT: trained masks, rounds, exact counts, rewinding, resumption; their transport distance."""

import json
from pathlib import Path

import pytest
import torch

from gnnlab import prepare, run
from gnnlab.padding import Size, pad
from gnnlab.pruning.prunable import prunable
from gnnlab.results.__main__ import main
from gnnlab.sparsifiers.edge_mask import NOISE, EdgeMask
from gnnlab.sparsifiers.wdglt import WDGLT, between_classes, sinkhorn
from gnnlab.sparsifiers.weight_mask import put_on, take_off
from gnnlab.weights import initial
from tests.interrupted import assert_resumes, fit, tiny

ROUNDS = ("sparsifier.keep=0.5", "sparsifier.keep_weights=0.4", "sparsifier.rounds=2", "sparsifier.epochs=3")
NAMES = ("ugs", "wdglt")
MODELS = {"gcn": (), "gat": (), "gin": ("model.norm=layer",)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_counts_of_edges_and_weights_are_exact(tmp_path: Path, model: str, name: str) -> None:
    cfg = tiny(tmp_path, "OneGraph", f"model={model}", f"sparsifier={name}", *ROUNDS, *MODELS[model])
    made, result = fit(cfg, tmp_path / "run")
    assert [row["phase"] for row in result.history] == ["masks 1"] * 3 + ["masks 2"] * 3 + ["sparse"] * 4
    graphs = made.loaders["train"].packed
    assert made.last["test"].packed.num_edges == graphs.num_edges - 2 * (graphs.num_edges // 4)
    weights = list(prunable(made.model).values())
    total = sum(weight.numel() for weight in weights)
    assert sum(int(weight.count_nonzero()) for weight in weights) == total - -(-total * 6 // 10)


@pytest.mark.parametrize("name", NAMES)
def test_killed_in_any_phase_it_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    """One step an epoch: steps 1 to 3, 4 to 6, 7 to 10."""
    cfg = tiny(tmp_path, "OneGraph", "model=gcn", "model.dropout=0.3", f"sparsifier={name}", *ROUNDS)
    assert_resumes(cfg, tmp_path, stops=(2, 3, 5, 6, 8))


def test_a_run_is_reported_and_verified_to_the_digit(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run(tiny(tmp_path, "OneGraph", "model=gcn", "sparsifier=ugs", *ROUNDS))
    (folder,) = (tmp_path / "runs").glob("*/seed0")
    told = json.loads((folder / "result.json").read_text())["method"]
    assert told["edges_kept"] == pytest.approx(0.5, abs=0.02)
    assert told["weights_kept"] == pytest.approx(0.4, abs=2e-3)
    assert main(["verify", str(folder), "--allow", "tests"]) == 0
    assert "DIFFERS" not in capsys.readouterr().out


def test_a_round_begins_with_the_initial_weights_and_masks_near_one(tmp_path: Path) -> None:
    made = prepare(tiny(tmp_path, "OneGraph", "model=gcn", "sparsifier=ugs", *ROUNDS))
    start, edges = initial(made.model), made.model.aggregation
    assert isinstance(edges, EdgeMask)
    for phase in made.phases[:2]:
        assert phase.on_start is not None
        phase.on_start(made.model)
        assert edges.mask is not None
        assert (edges.mask - 1).abs().max() <= NOISE
        assert len(edges.mask.unique()) > len(edges.mask) // 4, "ties would be cut by the numbers of nodes"
        with torch.no_grad():
            edges.mask.copy_(torch.rand(len(edges.mask)))
            for parameter in made.model.head.parameters():  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
                parameter.add_(1.0)
    assert made.phases[2].on_start is not None
    made.phases[2].on_start(made.model)
    weights = dict(made.model.named_parameters())
    assert all(torch.equal(value[value != 0], start[name][value != 0]) for name, value in weights.items())


def test_a_snowflake_begins_anew_before_weights_have_masks(tmp_path: Path) -> None:
    asked = ("model=gcn", "aggregation=snowflake", "aggregation.stage1_epochs=1", "sparsifier=ugs", *ROUNDS)
    made, result = fit(tiny(tmp_path, "OneGraph", *asked), tmp_path / "run")
    assert [row["phase"] for row in result.history] == ["proxy"] + ["masks 1"] * 3 + ["masks 2"] * 3 + ["sparse"] * 4
    assert [phase.frozen == made.phases[-1].frozen for phase in made.phases] == [False, True, True, True]


def test_a_loader_of_what_is_left_is_one_over_other_graphs_too(tmp_path: Path) -> None:
    made = prepare(tiny(tmp_path, "OneGraph", "model=gcn", "sparsifier=ugs", *ROUNDS))
    graphs, edges = made.loaders["train"].packed, made.model.aggregation
    assert isinstance(edges, EdgeMask)
    other = made.last["train"].over(graphs)
    edges.kept[1:] = False
    assert made.last["train"].packed.num_edges == other.packed.num_edges == 1
    assert other.over(other.packed).packed.num_edges == 1, "those that are gone are gone"


def test_masks_near_one_change_next_to_nothing_and_come_off_as_they_went_on(tmp_path: Path) -> None:
    made = prepare(tiny(tmp_path, "OneGraph", "model=gat"))
    batch, before = made.loaders["train"].packed.batch(), initial(made.model)
    names = list(prunable(made.model))
    plain = made.model.eval()(batch)
    masks = put_on(made.model, {name: torch.ones_like(before[name], dtype=torch.bool) for name in names})
    torch.testing.assert_close(made.model(batch), plain, rtol=1e-3, atol=1e-3)
    made.model(batch).sum().backward()
    assert all(mask.mask.grad is not None for mask in masks)
    assert list(take_off(made.model, names)) == names
    assert all(torch.equal(value, before[name]) for name, value in initial(made.model).items())


def test_the_gradient_of_a_mask_is_that_of_its_weight_times_the_weight(tmp_path: Path) -> None:
    made = prepare(tiny(tmp_path, "OneGraph", "model=gcn"))
    batch, names = made.loaders["train"].packed.batch(), list(prunable(made.model))
    made.task.loss(made.model.eval()(batch), batch).backward()
    weights = prunable(made.model)
    expected = [weight * weight.grad for weight in weights.values() if weight.grad is not None]
    masks = put_on(made.model, {name: torch.ones_like(weights[name], dtype=torch.bool) for name in names})
    made.task.loss(made.model(batch), batch).backward()
    for mask, gradient in zip(masks, expected, strict=True):
        torch.testing.assert_close(mask.mask.grad, gradient, rtol=1e-3, atol=1e-4)


def test_transport_of_single_points_and_of_the_same_points() -> None:
    a, b = torch.rand(1, 3), torch.rand(4, 3)
    torch.testing.assert_close(sinkhorn(a, b), (a - b).norm(dim=-1).mean())
    points = torch.eye(3)
    assert sinkhorn(points, points.roll(1, 0)) < 1e-6
    moved = points + torch.tensor([0.0, 0.0, 0.5])
    torch.testing.assert_close(sinkhorn(points, moved), torch.tensor(0.5))


def test_the_gradient_of_transport_is_that_of_all_iterations_and_0_between_equal_points() -> None:
    a, b = torch.rand(3, 2, dtype=torch.double, requires_grad=True), torch.rand(4, 2, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda points: sinkhorn(points, b, eps=0.1), (a,))
    points = torch.zeros(2, 3, requires_grad=True)
    sinkhorn(points, torch.zeros(1, 3)).backward()
    assert points.grad is not None
    assert not points.grad.any()


def test_distances_between_classes_add_up() -> None:
    prediction, y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    torch.testing.assert_close(between_classes(prediction, y), torch.tensor(2 * 2**0.5))
    assert between_classes(prediction, torch.zeros(3)) == 0


def test_classes_are_the_predicted_ones_of_all_real_nodes(tmp_path: Path) -> None:
    """Two classes are predicted, √2 apart; were a dummy of the third counted, there would be three."""
    made = prepare(tiny(tmp_path, "OneGraph", "model=gcn", "sparsifier=wdglt", *ROUNDS))
    (method,), batch = made.methods, made.loaders["train"].packed.batch()
    assert isinstance(method, WDGLT)
    assert made.phases[0].on_start is not None
    made.phases[0].on_start(made.model)
    out = 100 * torch.eye(3)[torch.arange(batch.num_nodes) % 2]
    expected = torch.tensor(-0.1 * 2 * 2**0.5)
    torch.testing.assert_close(method.price(made.model, out, batch), expected)
    nodes, edges, graphs, longest = Size.of(batch)
    padded = pad(batch, Size(nodes + 2, edges + 2, graphs + 1, longest))
    dummies = 100 * torch.eye(3)[[2, 2]]
    torch.testing.assert_close(method.price(made.model, torch.cat([out, dummies]), padded), expected)
