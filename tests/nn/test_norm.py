"""The norms are torch's, with what stands around them as around BatchNorm; RMSNorm's own laws."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gnnlab.nn.norm import make_norm
from gnnlab.ops import Around

GENERATOR = torch.Generator().manual_seed(0)
X, BEFORE, AFTER = (torch.randn(7, 6, generator=GENERATOR, dtype=torch.float64) for _ in range(3))


@pytest.mark.parametrize(("name", "peer"), [("layer", nn.LayerNorm(6)), ("none", nn.Identity())])
def test_residuals_and_relu_stand_where_they_do_around_batch_norm(name, peer) -> None:
    norm = make_norm(name, 6).double()
    assert_close(norm(X, BEFORE, AFTER, Around(relu=True)), peer.double()(X + BEFORE).relu() + AFTER)
    assert_close(norm(X), peer(X))


@pytest.mark.parametrize("whole", [False, True])
def test_dropouts_are_for_training_and_whole_says_where_the_second_is(whole: bool) -> None:
    around, norm = Around(first=0.5, last=0.5, whole=whole), make_norm("rms", 6).double()
    assert_close(norm.eval()(X, BEFORE, AFTER, around), norm(X, BEFORE, AFTER))
    zeros = torch.zeros_like(X)
    dropped = norm.train()(zeros, None, AFTER, around)
    assert bool((dropped == 0).any()) == whole
    assert bool((norm(X, None, None, around) == 0).any())


def rms(x: Tensor) -> Tensor:
    return make_norm("rms", 6).double()(x)


def test_rms_norm_is_its_formula_whatever_the_scale_and_turns_along() -> None:
    turn = torch.linalg.qr(torch.randn(6, 6, generator=GENERATOR, dtype=torch.float64))[0]
    assert_close(rms(X), X / (X.square().mean(1, keepdim=True) + 1e-5).sqrt())
    assert_close(rms(1000 * X), rms(X), rtol=1e-4, atol=1e-4)
    assert_close(rms(X @ turn), rms(X) @ turn)
    centred = X - X.mean(1, keepdim=True)
    assert_close(rms(centred), make_norm("layer", 6).double()(centred))


def test_a_row_of_zeros_stays_one_with_a_finite_gradient() -> None:
    x = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    out = rms(x)
    out.sum().backward()
    assert not out.any()
    assert x.grad is not None
    assert x.grad.isfinite().all()
