"""The first snowflake by gradients: summed while the backbone trains, a node's outermost layers go first."""

from pathlib import Path

import pytest
import torch

from gnnlab import prepare, run
from gnnlab.errors import UsageError
from gnnlab.nn.gate import full
from gnnlab.verify import verify
from tests.interrupted import assert_resumes

CHOSEN = ("aggregation=snowflake_v1", "aggregation.rho=0.3")


def test_gradients_are_those_of_the_weights_of_edges(composed) -> None:
    """By differences, at the edges into one node."""
    made = prepare(composed(*CHOSEN, "model.dropout=0"))
    (batch,), policy = made.loaders["train"].epoch(0), made.model.aggregation
    made.model.eval()
    policy.training = True
    loss = made.task.loss(made.model(batch), batch)
    loss.backward()
    found = policy.gradient.clone()
    assert found.any(1).all()
    node, step = int(batch.edge_index[1, 3]), 1e-2

    def at(edge: int, weight: float) -> float:
        weights = torch.ones(batch.num_edges)
        weights[edge] = weight
        made.model.aggregation = lambda batch: lambda layer, x: weights if layer == 2 else None
        return float(made.task.loss(made.model(batch), batch).detach())

    del made.model._modules["aggregation"]
    edges = (batch.edge_index[1] == node).nonzero()[:, 0].tolist()
    differences = [abs(at(edge, 1 + step) - at(edge, 1 - step)) / (2 * step) for edge in edges]
    assert found[2, node] == pytest.approx(sum(differences), rel=0.05)


def test_layers_go_from_the_outermost_inwards(composed) -> None:
    """While their gradient is below ρ times the node's greatest; a node without any keeps all."""
    policy = prepare(composed(*CHOSEN)).model.aggregation
    policy.gradient = torch.tensor([[1.0, 1, 9, 0, 9], [1, 0.2, 0, 0, 2], [1, 0.4, 1, 0, 1]])
    assert policy.find(None).tolist() == [3, 3, 1, 3, 1]
    policy.rho = 0.0
    assert policy.find(None).eq(3).all()


def test_it_watches_training_alone(composed) -> None:
    made = prepare(composed(*CHOSEN))
    (batch,) = made.loaders["train"].epoch(0)
    assert made.model.eval().aggregation(batch) is full
    assert not made.model.aggregation.gradient.any()


def test_rho_0_is_the_plain_backbone(fit) -> None:
    plain, snow = fit("plain", "model.dropout=0")[1], fit("snow", *CHOSEN, "model.dropout=0", "aggregation.rho=0")[1]
    assert snow.test == plain.test
    assert [row["val/loss"] for row in snow.history[4:]] == [row["val/loss"] for row in plain.history]


def test_resumed_in_any_phase(composed, tmp_path: Path) -> None:
    """Both have four steps."""
    assert_resumes(composed(*CHOSEN), tmp_path, stops=[3, 6])


def test_a_run_is_verified_to_the_digit(composed, tmp_path: Path) -> None:
    found = run(composed(*CHOSEN, f"out={tmp_path}")).result["method"]
    assert verify(next(tmp_path.glob("*/seed0")), allow=["tests"])
    assert 1 <= found["depth_mean"] <= 3


def test_parts_of_a_graph_are_refused_before_any_data(composed) -> None:
    with pytest.raises(UsageError, match=r"aggregation=snowflake_v1 needs whole graphs.*loader=neighbours"):
        composed(*CHOSEN, "loader=neighbours")
