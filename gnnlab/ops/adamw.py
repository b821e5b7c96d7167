"""AdamW's step and the clipping before it, for all parameters in one call each."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter, is_
from typing import Any

import torch
from torch import Tensor, nn

from gnnlab.bounds import NonNegative
from gnnlab.ops.backend import fused
from gnnlab.ops.define import kernel

_adamw = kernel("adamw_", lambda *_: None)
_clip = kernel("clip_", lambda grads, most: grads[0].new_empty(()))


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW` (Loshchilov & Hutter, ICLR 2019), with the same state and up to rounding the same steps.

    On the CPU one call updates all parameters; elsewhere torch's own implementation does.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: NonNegative = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 1e-2,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        self._moments: dict[int, Moments] = {}  # of a group, by its number

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._moments = {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's. Raises `ValueError` where moments are not of their parameter's shape."""
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            if any(state[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")):
                found = tuple(state["exp_avg"].shape)
                raise ValueError(f"moments of shape {found} do not belong to a parameter of {tuple(parameter.shape)}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As torch's, with less ado."""
        if set_to_none:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
        else:
            super().zero_grad(set_to_none)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """As torch's; a parameter without a gradient stays as it is."""
        due = [self._due(index, group["params"]) for index, group in enumerate(self.param_groups)]
        if closure is not None or any(one is None for one in due):
            return super().step(closure)
        for group, (params, grads, moments) in zip(self.param_groups, filter(None, due), strict=True):
            if params:
                beta1, beta2 = group["betas"]
                rest = float(group["lr"]), beta1, beta2, group["eps"], group["weight_decay"]
                _adamw(params, grads, *moments, *rest)
        return None

    def _due(
        self, index: int, parameters: Sequence[nn.Parameter]
    ) -> tuple[list[nn.Parameter], list[Tensor], tuple[Tensor, ...]] | None:
        """A group's parameters that have gradients, these, and their moments; None where no kernel serves them."""
        pairs = [(parameter, grad) for parameter in parameters if (grad := parameter.grad) is not None]
        if not pairs:
            return [], [], ()
        params, grads = map(list, zip(*pairs, strict=True))
        states, kept = [self.state[parameter] for parameter in params], self._moments.get(index)
        if not fused(params[0], "adamw_"):
            return None
        if kept is None or not kept.are(states):
            if not _alike(params):
                return None
            kept = self._moments[index] = Moments(params, states)
        return params, grads, kept.flat


class Moments:
    """Both moments of some parameters, each one after the other in one tensor, and their steps; states have views.

    To hand hundreds of tensors to a kernel takes longer than the arithmetic.
    """

    def __init__(self, params: Sequence[nn.Parameter], states: Sequence[dict[str, Any]]) -> None:
        sizes, steps = [parameter.numel() for parameter in params], torch.zeros(len(params))
        first, second = (params[0].new_zeros(sum(sizes)) for _ in range(2))
        self.flat = first, second, steps
        parts = steps.unbind(), *([*map(Tensor.view_as, flat.split(sizes), params)] for flat in (first, second))
        for state, *views in zip(states, *parts, strict=True):
            named = dict(zip(("step", "exp_avg", "exp_avg_sq"), views, strict=True))
            for name, before in state.items():
                named[name].copy_(before)
            state.update(named)
        self.views = [view for state in states for view in state.values()]

    def are(self, states: Sequence[dict[str, Any]]) -> bool:
        """Whether the states have the views, and nothing else."""
        found = list(chain.from_iterable(map(dict.values, states)))
        return all(states) and len(found) == len(self.views) and all(map(is_, found, self.views))


def clip_grad_norm_(parameters: Sequence[nn.Parameter], max_norm: float) -> Tensor:
    """The 2-norm of all gradients together; where it exceeds `max_norm`, they are scaled down to it."""
    grads = [grad for parameter in parameters if (grad := parameter.grad) is not None]
    if not grads or not fused(grads[0], "clip_") or not all(map(Tensor.is_contiguous, grads)):
        return nn.utils.clip_grad_norm_(parameters, max_norm)
    return _clip(grads, max_norm)


def _alike(tensors: Sequence[Tensor]) -> bool:
    """Whether they are dense, on one device and of one type."""
    return all(map(Tensor.is_contiguous, tensors)) and len(set(map(attrgetter("device", "dtype"), tensors))) == 1
