"""Training with the kernels is training without them: the same losses, dropout included, up to rounding."""

import pytest
import torch

from gnnlab import compose
from gnnlab.config import build
from gnnlab.ops import AdamW, backend, clip_grad_norm_
from gnnlab.tasks import make_task
from gnnlab.testing import sample, sample_spec


def losses(settings: tuple[str, ...], ops: backend.Mode) -> list[float]:
    """Of five steps in float64. In float32 AdamW turns the rounding of gradients that are 0 into whole steps."""
    torch.manual_seed(0)
    cfg = compose(*settings, "preset=none", "encoding=[]", "model.hidden_dim=16", "model.num_layers=2")
    model = build(cfg.model, spec=sample_spec("graph"), encodings=[]).double().train()
    parameters, task, batch = list(model.parameters()), make_task(sample_spec("graph")), sample().batch()
    batch = batch.map(lambda value: value.double() if value.is_floating_point() else value)
    batch.graph["y"] = torch.linspace(-1, 1, 3 * batch.num_graphs, dtype=torch.float64).view(-1, 3)
    optimizer, curve = AdamW(parameters, lr=1e-2), []
    with backend.using(ops):
        for _ in range(5):
            optimizer.zero_grad()
            loss = task.loss(model(batch), batch)
            loss.backward()
            clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            curve.append(loss.item())
    return curve


@pytest.mark.parametrize(
    "settings",
    [
        ("model=gps", "model/conv=gine", "model.mixer.dropout=0.5", "model.dropout=0.1"),
        ("model=gps", "model/conv=gatedgcn", "model.dropout=0.1"),
        ("model=gcn", "model.dropout=0.2"),
        ("model=gin",),
    ],
    ids=" ".join,
)
def test_the_losses_of_the_kernels_are_those_of_plain_torch(settings: tuple[str, ...]) -> None:
    assert backend.load()
    assert losses(settings, "fused") == pytest.approx(losses(settings, "reference"), rel=1e-9)
