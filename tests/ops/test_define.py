"""What kernels have no derivative for is said, or left to plain torch."""

import pytest
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.ops import backend, gatv2_logits, linear, propagate
from tests.ops.parity import batch_of, needs_kernels


def inputs() -> tuple[Batch, Tensor, Tensor]:
    needs_kernels()
    batch = batch_of(5, 3)
    return batch, torch.randn(batch.num_nodes, 4, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)


@pytest.mark.parametrize("mode", ["fused", "reference"])
def test_a_penalty_on_gradients_is_refused_or_right(mode: backend.Mode) -> None:
    batch, x, _ = inputs()
    x.requires_grad_()
    attention = torch.ones(2, 2, dtype=torch.float64)
    with backend.using(mode):
        out = gatv2_logits(x, x, attention, batch).square().sum()
        if mode == "fused":
            with pytest.raises(UsageError, match="ops=reference"):
                torch.autograd.grad(out, x, create_graph=True)
            return
        (grad,) = torch.autograd.grad(out, x, create_graph=True)
        (second,) = torch.autograd.grad(grad.square().sum(), x)
    assert second.any()


def test_transforms_of_torch_func_take_plain_torch() -> None:
    batch, x, weight = inputs()

    def energy(x: Tensor) -> Tensor:
        return propagate(linear(x, weight, relu=True), batch).square().sum()

    def results() -> list[Tensor]:
        pair = torch.stack([x, 2 * x])
        hessian = torch.func.hessian(energy)(x)
        assert isinstance(hessian, Tensor)
        return [
            torch.func.grad(energy)(x),
            hessian,
            torch.func.vmap(energy)(pair),
            torch.func.jvp(energy, (x,), (x,))[1],
        ]

    with backend.using("reference"):
        plain = results()
    for ours, theirs in zip(results(), plain, strict=True):
        torch.testing.assert_close(ours, theirs)
