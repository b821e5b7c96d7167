"""The first snowflake by cosine distance: nothing is learnt, and a node that has stopped stays so."""

from pathlib import Path

import pytest
import torch

from gnnlab import prepare, run
from gnnlab.aggregation.snowflake_v2 import DepthGate, SnowflakeV2
from gnnlab.nn.conv.gcn import normalised
from gnnlab.ops import propagate
from gnnlab.testing import (
    assert_batch_independent,
    assert_finite_with_gradients,
    assert_permutation_equivariant,
    sample,
)
from gnnlab.verify import verify
from tests.aggregation.test_snowflake import gated


def test_rho_0_is_the_plain_backbone(fit) -> None:
    assert fit("plain")[1].test == fit("snow", "aggregation=snowflake_v2", "aggregation.rho=0")[1].test


def test_an_infinite_rho_makes_depth_one(composed) -> None:
    made = prepare(composed("aggregation=snowflake_v2", "aggregation.rho=inf"))
    (batch,) = made.loaders["train"].epoch(0)
    depth = made.model.aggregation.depth(made.model.eval(), batch)
    changed = batch.rowptr.diff() > 0
    assert depth[changed].eq(1).all()


def test_stops_where_the_change_falls_below_its_share_of_the_first() -> None:
    """By the formula, from states that are given."""
    batch = sample().batch(3, 4)
    states = [torch.randn(batch.num_nodes, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    states[2] += 10.0  # aggregation changes it little
    weight, loops = normalised(batch, None, torch.float32)
    mixed = [propagate(x, batch, edge_weight=weight, root=loops) for x in states]
    change = torch.stack([1 - torch.cosine_similarity(*pair, dim=-1) for pair in zip(states, mixed, strict=True)])
    goes_on = torch.cat([torch.ones(1, batch.num_nodes), (change[1:] >= 0.5 * change[0]).float()])
    gate = DepthGate(batch, 0.5)
    masks = [gate(layer, x) for layer, x in enumerate(states)]
    around = batch.rowptr.diff() > 0  # what an isolated node sees of a change is rounding
    assert torch.equal(gate.depth[around], goes_on.cumprod(0).sum(0).long()[around])
    assert masks[0] is None
    for layer, mask in enumerate(masks[1:], start=1):
        assert mask is not None
        assert torch.equal(mask > 0, gate.depth[batch.edge_index[1]] > layer)


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
def test_laws(rho: float) -> None:
    model, graphs = gated(0.0), sample()
    model.aggregation = SnowflakeV2(4, rho)
    assert_permutation_equivariant(model, graphs, node_level=True)
    assert_batch_independent(model, graphs)
    assert_finite_with_gradients(model, graphs)


def test_a_run_is_verified_to_the_digit(composed, tmp_path: Path) -> None:
    found = run(composed("aggregation=snowflake_v2", "aggregation.rho=0.5", f"out={tmp_path}")).result["method"]
    assert verify(next(tmp_path.glob("*/seed0")), allow=["tests"])
    assert 1 <= found["depth_mean"] <= 3
