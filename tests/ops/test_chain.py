"""A whole stack as one node, where nothing looks between its layers."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build
from gnnlab.nn.stack import Chain
from gnnlab.ops import backend
from gnnlab.ops.linear import Linear
from gnnlab.ops.recorded.replay import PLACE, TRIES
from gnnlab.testing import sample_spec
from tests.ops.layers import DIM, LAYERS, assert_same, batch, is_replayed, x_alone

pytestmark = pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")


class Alone(nn.Module):
    """Cannot be recorded: an operation of torch's reads its states."""

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return x.tanh(), e


class Elsewhere(nn.Module):
    """Could be recorded, but is not gnnlab's."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = Linear(DIM, DIM)

    def forward(self, x: Tensor, e: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.linear(x), e


def test_a_chain_with_a_link_that_cannot_be_recorded_has_the_others_as_nodes() -> None:
    chain = Chain([LAYERS["gps"](), Alone(), LAYERS["GINE"]()]).train()
    for seed in range(3):
        assert_same(chain, batch(5, 9 + seed, seed=seed))
    assert not vars(chain)[PLACE].programs
    assert is_replayed(chain[0])
    assert is_replayed(chain[2])


def test_a_chain_with_a_layer_of_another_package_is_left_to_its_layers() -> None:
    chain = Chain([LAYERS["gps"](), Elsewhere()]).train()
    for seed in range(3):
        assert_same(chain, batch(5, 9 + seed, seed=seed))
    assert not vars(chain)[PLACE].recorded
    assert is_replayed(chain[0])


def test_a_chain_that_changes_at_every_step_is_left_to_its_layers() -> None:
    chain = Chain([LAYERS["gps"](), LAYERS["GINE"]()]).train()
    for count in range(TRIES + 3):
        vars(chain[1])["seen"] = count
        assert_same(chain, batch(5, 9), loss=x_alone)
    assert vars(chain)[PLACE].left_alone
    assert is_replayed(chain[0])


def test_layers_may_be_replaced_by_a_plain_list() -> None:
    cfg = compose("model=gine", "dataset=zinc", "model.hidden_dim=8", "model.num_layers=2")
    model = build(cfg.model, spec=sample_spec("graph"), encodings=[]).train()
    model.layers = nn.ModuleList([*model.layers, *deepcopy(model.layers)])
    graphs = batch()
    found = model(graphs)
    with backend.using("reference"):
        torch.testing.assert_close(found, model(graphs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("head", "whole"), [("flat", True), ("depthwise", False), ("jumping", False)])
def test_a_stack_is_one_node_where_its_head_does_not_look_between(head: str, whole: bool) -> None:
    cfg = compose("model=gine", "dataset=zinc", f"model/head={head}", "model.hidden_dim=8", "model.num_layers=2")
    model, graphs = build(cfg.model, spec=sample_spec("graph"), encodings=[]).train(), batch()
    for _ in range(2):
        model.run(graphs).sum().backward()
    assert (PLACE in vars(model.layers)) == whole
    assert all((PLACE in vars(layer)) != whole for layer in model.layers)
