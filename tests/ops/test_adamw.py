"""AdamW in one call, beside torch's."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gnnlab.ops import backend
from gnnlab.ops.adamw import AdamW, clip_grad_norm_
from tests.ops.parity import poisoned


def model(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 40), nn.ReLU(), nn.Linear(40, 3), nn.Linear(3, 1)).to(dtype)


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int, unused: bool = False) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        torch.manual_seed(step)
        x = torch.randn(16, 7).to(next(net.parameters()))
        net[:2](x).sum().backward() if unused else net(x).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("unused", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_steps_as_torchs(dtype: torch.dtype, tolerance: float, unused: bool) -> None:
    settings = {"lr": 1e-2, "betas": (0.8, 0.95), "eps": 1e-7, "weight_decay": 0.1}
    ours, theirs = model(dtype), model(dtype)
    with poisoned():
        train(ours, AdamW(ours.parameters(), **settings), 20, unused)
    train(theirs, torch.optim.AdamW(theirs.parameters(), **settings), 20, unused)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_state_moves_between_the_two_and_resumes_to_the_bit() -> None:
    through, resumed = model(torch.float32), model(torch.float32)
    optimizer = AdamW(through.parameters())
    train(through, optimizer, 3)
    resumed.load_state_dict(copy.deepcopy(through.state_dict()))
    again = AdamW(resumed.parameters())
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    torch.optim.AdamW(through.parameters()).load_state_dict(optimizer.state_dict())
    train(through, optimizer, 3)
    train(resumed, again, 3)
    assert all(torch.equal(a, b) for a, b in zip(through.parameters(), resumed.parameters(), strict=True))


@pytest.mark.parametrize("most", [0.01, 1e6, float("inf")])
def test_clips_as_torch(most: float) -> None:
    ours, theirs = model(torch.float32), model(torch.float32)
    for net in (ours, theirs):
        torch.manual_seed(0)
        net(torch.randn(16, 7)).square().sum().backward()
    norms = clip_grad_norm_(list(ours.parameters()), most), nn.utils.clip_grad_norm_(theirs.parameters(), most)
    assert_close(*norms)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(a.grad, b.grad)


def test_moments_of_other_shapes_are_refused() -> None:
    one, other = AdamW([nn.Parameter(torch.ones(3))]), AdamW([nn.Parameter(torch.ones(2, 2))])
    for parameter in one.param_groups[0]["params"]:
        parameter.grad = torch.ones_like(parameter)
    one.step()
    with pytest.raises(ValueError, match=r"shape \(3,\) do not belong to a parameter of \(2, 2\)"):
        other.load_state_dict(one.state_dict())


def test_clipping_shows_what_is_not_finite() -> None:
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([1.0, float("nan"), 2.0])
    assert clip_grad_norm_([parameter], 1.0).isnan()


def test_is_the_same_on_any_number_of_threads() -> None:
    assert backend.load()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        net = nn.Linear(300, 300)
        torch.manual_seed(0)
        nn.init.normal_(net.weight)
        nn.init.zeros_(net.bias)
        optimizer = AdamW(net.parameters())
        net(torch.ones(2, 300)).square().sum().backward()
        norm = clip_grad_norm_(list(net.parameters()), 1.0)
        optimizer.step()
        results.append((norm, net.weight.detach().clone()))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def pair(*shape: int) -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.ones(shape)), nn.Parameter(torch.ones(shape))


def step(optimizer: torch.optim.Optimizer, slope: float = 1.0) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.full_like(parameter, slope)
    optimizer.step()


def test_a_group_without_gradients_stays() -> None:
    used, unused = pair(3)
    optimizer = AdamW([{"params": [unused]}, {"params": [used]}])
    used.grad = torch.ones(3)
    optimizer.step()
    assert not torch.equal(used, unused)
    assert torch.equal(unused, torch.ones(3))


@pytest.mark.parametrize("change", ["clear", "append", "replace"])
def test_state_and_parameters_may_change_between_steps(change: str) -> None:
    parameters, mine = [], []
    for kind in (AdamW, torch.optim.AdamW):
        first, more = pair(50)
        optimizer = kind([first], lr=0.1)
        step(optimizer, 5.0)
        if change == "clear":
            optimizer.state.clear()
        elif change == "append":
            optimizer.param_groups[0]["params"].append(more)
        else:
            more = nn.Parameter(torch.ones(2, 4))
            optimizer.param_groups[0]["params"][0] = more
        step(optimizer, -1.0)
        parameters.append([first, more])
        mine.append(sorted(tuple(state["exp_avg"].shape) for state in optimizer.state.values()))
    assert mine[0] == mine[1]
    assert_close(*parameters)


def test_a_copy_goes_on() -> None:
    optimizer = AdamW([pair(3)[0]], lr=0.1)
    step(optimizer)
    other = copy.deepcopy(optimizer)
    for one in (optimizer, other):
        step(one)
    assert_close(optimizer.param_groups[0]["params"], other.param_groups[0]["params"])
    assert optimizer.param_groups[0]["params"][0] is not other.param_groups[0]["params"][0]


def test_steps_are_counted_in_any_default_type() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        ours, theirs = pair(3)
        optimizers = AdamW([ours], lr=0.1), torch.optim.AdamW([theirs], lr=0.1)
        for optimizer in optimizers:
            step(optimizer)
            step(optimizer, 3.0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert optimizers[0].state[ours]["step"] == 2
    assert_close(ours, theirs)


def test_parameters_of_several_types_and_views() -> None:
    mine = []
    for kind in (AdamW, torch.optim.AdamW):
        whole, single = torch.ones(4, 6), nn.Parameter(torch.ones(3))
        view, double = nn.Parameter(whole[:, ::2]), nn.Parameter(torch.ones(2, dtype=torch.float64))
        for params in ([single, double], [single, view]):
            optimizer = kind(params, lr=0.1)
            step(optimizer)
            step(optimizer, 3.0)
        mine.append([single, view, double])
    assert_close(*mine)


def test_gradients_that_come_and_go() -> None:
    """A parameter counts the steps in which it had a gradient."""
    mine = []
    for kind in (AdamW, torch.optim.AdamW):
        first, second = pair(5)
        optimizer = kind([first, second], lr=0.1)
        for present in ((first,), (first, second), (second,), (first, second), (first, second)):
            optimizer.zero_grad()
            for parameter in present:
                parameter.grad = torch.full_like(parameter, 2.0)
            optimizer.step()
        mine.append([first, second, *(optimizer.state[p]["step"] for p in (first, second))])
    assert_close(*mine)
    assert [int(steps) for steps in mine[0][2:]] == [4, 4]


def test_moments_may_be_set_anew_from_outside() -> None:
    mine = []
    for kind in (AdamW, torch.optim.AdamW):
        first, second = pair(5)
        optimizer = kind([first, second], lr=0.1)
        step(optimizer)
        optimizer.state[second]["exp_avg"] = torch.full((5,), 9.0)
        optimizer.state[first]["exp_avg_sq"].mul_(4)
        step(optimizer)
        optimizer.zero_grad(set_to_none=False)
        assert torch.equal(first.grad, torch.zeros(5))
        mine.append([first, second])
    assert_close(*mine)
