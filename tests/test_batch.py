"""What a batch computes once."""

import torch

from gnnlab.nn.conv.gcn import GCN
from gnnlab.ops import backend
from tests.ops.parity import batch_of


def test_what_an_evaluation_computed_serves_training() -> None:
    batch, x = batch_of(6), torch.randn(6, 8)
    layer = GCN(8)
    with torch.inference_mode():
        layer(x, None, batch)
    with backend.using("reference"):
        layer(x, None, batch)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
