"""A mask on edges, learnt with the model."""

from pathlib import Path

import pytest
import torch

from gnnlab import compose, prepare, run
from gnnlab.errors import UsageError
from gnnlab.trainer.decay import parameter_groups
from gnnlab.verify import verify
from tests.interrupted import assert_resumes

CHOSEN = "aggregation=learnt"


def test_at_first_it_changes_nothing(composed) -> None:
    made = prepare(composed(CHOSEN))
    (batch,) = made.loaders["test"].epoch(0)
    masked = made.model.eval()(batch)
    made.model.aggregation = None
    torch.testing.assert_close(masked, made.model(batch))


def test_an_edge_of_weight_0_or_less_is_removed(composed) -> None:
    made = prepare(composed(CHOSEN))
    graphs, model = made.loaders["test"].packed, made.model.eval()
    mask = torch.randn(graphs.num_edges, generator=torch.Generator().manual_seed(0)).sign()
    model.aggregation.mask.data = mask
    masked = model(graphs.batch())
    model.aggregation = None
    torch.testing.assert_close(masked, model(graphs.keep_edges(mask > 0).batch()))


def test_edges_of_a_smaller_graph_are_known_by_their_ends(composed) -> None:
    made = prepare(composed(CHOSEN))
    graphs, policy = made.loaders["test"].packed, made.model.aggregation
    policy.mask.data = torch.arange(graphs.num_edges).float()
    kept = torch.rand(graphs.num_edges, generator=torch.Generator().manual_seed(0)) < 0.5
    weight = policy(graphs.keep_edges(kept).batch())(0, torch.zeros(1))
    assert torch.equal(weight, kept.nonzero()[:, 0].float())


def test_the_price_moves_every_mask_towards_0(fit) -> None:
    made, _ = fit("run", CHOSEN, "aggregation.l1=100", "trainer.max_epochs=1", "trainer.clip=null")
    assert made.model.aggregation.mask.lt(1).all()


def test_weight_decay_leaves_it_alone(fit) -> None:
    """The price is its own."""
    made, _ = fit("run", CHOSEN, "aggregation.l1=0", "optimizer.weight_decay=1e3", "trainer.max_epochs=1")
    (group,) = [group for group in parameter_groups(made.model) if group.get("weight_decay") == 0]
    assert group["params"][0] is made.model.aggregation.mask


@pytest.mark.parametrize("sparsifier", ["none", "random"])
def test_resumed_and_verified(composed, tmp_path: Path, sparsifier: str) -> None:
    overrides = (CHOSEN, f"sparsifier={sparsifier}")
    assert_resumes(composed(*overrides), tmp_path, stops=[2])
    run(composed(*overrides, f"out={tmp_path / 'runs'}"))
    assert verify(next((tmp_path / "runs").glob("*/seed0")), allow=["tests"])


@pytest.mark.parametrize("kind", ["no_edges", "self_loops"])
def test_odd_graphs(fit, tmp_path: Path, kind: str) -> None:
    made, result = fit("run", CHOSEN, f"dataset.kind={kind}")
    assert result.test["accuracy"] >= 0
    assert made.methods[0].report(made.model, made.last, tmp_path)["edges_kept"] == 1


def test_many_graphs_are_refused_before_any_data() -> None:
    with pytest.raises(UsageError, match=r"aggregation=learnt needs a single graph.*dataset=zinc"):
        compose("model=gin", "dataset=zinc", CHOSEN)


def test_parts_of_a_graph_are_refused_before_any_data(composed) -> None:
    with pytest.raises(UsageError, match=r"aggregation=learnt needs whole graphs.*loader=neighbours"):
        composed(CHOSEN, "loader=neighbours")


def test_a_negative_price_is_refused(composed) -> None:
    with pytest.raises(UsageError, match="l1=-1"):
        prepare(composed(CHOSEN, "aggregation.l1=-1"))
