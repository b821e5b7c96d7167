"""The three ways to join layers are PyG's `JumpingKnowledge`, and they keep the laws."""

from functools import partial
from typing import Any

import pytest
import torch
from torch_geometric.nn import JumpingKnowledge

from gnnlab.errors import UsageError
from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.jumping import Jumping
from gnnlab.testing import (
    assert_batch_independent,
    assert_finite_with_gradients,
    assert_padding_changes_nothing,
    sample,
    sample_spec,
)

MODES = ["cat", "max", "lstm"]


@pytest.mark.parametrize("mode", MODES)
def test_equals_pyg(mode: Any) -> None:
    ours, peer = Jumping(6, 3, sample_spec("node"), mode=mode).double(), JumpingKnowledge(mode, 6, 3).double()
    if mode == "lstm":
        peer.lstm.load_state_dict(ours.lstm.state_dict())
        peer.att.load_state_dict(ours.score.state_dict())
    batch, random = sample().batch(), torch.Generator().manual_seed(0)
    states = [torch.randn(batch.num_nodes, 6, generator=random, dtype=torch.float64) for _ in range(4)]
    torch.testing.assert_close(ours(states, batch), ours.linear(peer(states[1:])))


@pytest.mark.parametrize("mode", MODES)
def test_laws(mode: Any) -> None:
    torch.manual_seed(0)
    model = MPNN(sample_spec("graph"), [], GCN, partial(Jumping, mode=mode), hidden_dim=8, num_layers=2)
    assert_batch_independent(model, sample())
    assert_finite_with_gradients(model, sample())
    assert_padding_changes_nothing(model, sample())


@pytest.mark.parametrize("mode", MODES)
def test_a_model_without_layers_has_nothing_to_join(mode: Any) -> None:
    with pytest.raises(UsageError, match="model/head=jumping joins what layers have made"):
        MPNN(sample_spec("graph"), [], GCN, partial(Jumping, mode=mode), hidden_dim=8, num_layers=0)
