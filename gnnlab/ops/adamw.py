"""AdamW's step and the clipping before it, for all parameters in one call each."""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

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
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's. Raises `ValueError` where moments are not of their parameter's shape."""
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            if any(state[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")):
                found = tuple(state["exp_avg"].shape)
                raise ValueError(f"moments of shape {found} do not belong to a parameter of {tuple(parameter.shape)}")

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """As torch's; a parameter without a gradient stays as it is."""
        if closure is not None or not all(_served(group["params"], "adamw_") for group in self.param_groups):
            return super().step(closure)
        for group in self.param_groups:
            if params := [parameter for parameter in group["params"] if parameter.grad is not None]:
                beta1, beta2 = group["betas"]
                rest = float(group["lr"]), beta1, beta2, group["eps"], group["weight_decay"]
                _adamw(params, [parameter.grad for parameter in params], *self._moments(group, params), *rest)
        return None

    def _moments(self, group: dict[str, Any], params: Sequence[Tensor]) -> Iterator[list[Tensor]]:
        """Both moments and the steps of parameters that have gradients."""
        states = [self.state[parameter] for parameter in params]
        if not all(states):
            self._init_group(group, [], [], [], [], [], [])
        return ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))


def clip_grad_norm_(parameters: Sequence[nn.Parameter], max_norm: float) -> Tensor:
    """The 2-norm of all gradients together; where it exceeds `max_norm`, they are scaled down to it."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads or not _served(grads, "clip_"):
        return nn.utils.clip_grad_norm_(parameters, max_norm)
    return _clip(grads, max_norm)


def _served(tensors: Sequence[Tensor], op: str) -> bool:
    kinds = dict(zip(map(attrgetter("device", "dtype"), tensors), tensors, strict=True))
    return all(map(Tensor.is_contiguous, tensors)) and all(fused(tensor, op) for tensor in kinds.values())
