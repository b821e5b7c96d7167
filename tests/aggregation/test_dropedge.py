"""DropEdge removes as many edges as it says, afresh for each layer or once for all, in training alone."""

from pathlib import Path

import pytest
import torch

from gnnlab import prepare
from gnnlab.aggregation.dropedge import DropEdge
from gnnlab.nn.gate import full
from gnnlab.testing import sample
from tests.interrupted import assert_resumes

X = torch.zeros(1)


def test_as_many_edges_as_it_says() -> None:
    torch.manual_seed(0)
    gate = DropEdge(0.3, per_layer=True)(sample().batch())
    kept = torch.stack([gate(layer, X) for layer in range(50)])
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert abs(float(kept.mean()) - 0.7) < 0.01


@pytest.mark.parametrize("per_layer", [True, False])
def test_layer_by_layer_or_once_for_all(per_layer: bool) -> None:
    gate = DropEdge(0.5, per_layer)(sample().batch())
    assert torch.equal(gate(0, X), gate(1, X)) is not per_layer


def test_nothing_when_evaluated_or_at_rate_0() -> None:
    batch = sample().batch()
    assert DropEdge(0.5).eval()(batch) is full
    assert DropEdge(0.0)(batch) is full


def test_a_dropped_edge_carries_nothing(composed) -> None:
    """The training output of a graph is that of the graph with fewer edges."""
    made = prepare(composed("aggregation=dropedge", "model.dropout=0"))
    graphs = made.loaders["train"].packed
    torch.manual_seed(0)
    dropped = made.model.train()(graphs.batch())
    torch.manual_seed(0)
    kept = made.model.aggregation.draw(graphs.batch())
    made.model.aggregation = None
    torch.testing.assert_close(dropped, made.model(graphs.keep_edges(kept).batch()))


def test_resumed_in_the_middle(composed, tmp_path: Path) -> None:
    assert_resumes(composed("aggregation=dropedge"), tmp_path, stops=[2])
