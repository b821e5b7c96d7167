"""Heads and layers that can be off, and how much it matters that they are on.

A gate g of 1 or 0 multiplies what a head has read, before anything mixes heads, or what a layer adds to its input. To
first order, switching it changes the loss by |∂L/∂g| (Molchanov et al., "Importance Estimation for Neural Network
Pruning", CVPR 2019), taken for each graph by itself, of gates that are off as well. All of it is in buffers.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.trainer import distributed

MEMORY = 0.95
"""Fraction of the running mean of a gate's importance."""


class Switch(nn.Module):
    """`count` gates, on or off. While it `learns`, it notes how much each matters."""

    installed: ClassVar[bool] = True
    on: Tensor
    matters: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("on", torch.ones(count, dtype=torch.bool))
        self.register_buffer("matters", torch.zeros(count))
        self.learns = False

    def gates(self, like: Tensor, graphs: int) -> Tensor:
        """[graphs, count] of 1 and 0."""
        gates = self.on.to(like.dtype).expand(graphs, -1)
        if self.learns and self.training:
            gates = gates.clone().requires_grad_()
            gates.register_hook(self.note)
        return gates

    def note(self, grad: Tensor) -> None:
        """The gradients of the mean loss for a batch: [graphs, count]."""
        self.matters.mul_(MEMORY).add_(grad.abs().sum(0).float(), alpha=1 - MEMORY)


def leave_together(switches: Sequence[Switch], count: int) -> None:
    """Have on, of the gates of all these together, the `count` that matter most; of equal ones the first."""
    if not switches:
        return
    matters = torch.cat([switch.matters for switch in switches])
    distributed.share([matters])
    on = torch.zeros_like(matters, dtype=torch.bool)
    on[matters.argsort(descending=True, stable=True)[:count]] = True
    for switch, own in zip(switches, on.split([len(switch.on) for switch in switches]), strict=True):
        switch.on.copy_(own)


class HeadMask(Switch):
    """What H heads have read, side by side, without those that are off: rows [n, H C] of graphs `owner` [n]."""

    def forward(self, rows: Tensor, owner: Tensor, graphs: int) -> Tensor:
        gates = self.gates(rows, graphs).index_select(0, owner)
        return (rows.unflatten(1, (gates.shape[1], -1)) * gates.unsqueeze(-1)).flatten(1)


class LayerMask(Switch):
    """A layer that can be off: its states are then those it was given.

    The layer is called as (states, …, batch, …); the first `num_states` arguments are those it returns anew.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(1)
        self.layer, self.num_states = layer, num_states(layer)

    def forward(self, *args: Any) -> Any:
        given = args[: self.num_states]
        learns = self.learns and self.training
        if not learns:
            return self.layer(*args) if bool(self.on) else hand_on(given)
        batch = next(arg for arg in args if isinstance(arg, Batch))
        found = self.layer(*args)
        gates = self.gates(given[0], batch.num_graphs)
        owners = (batch.batch, batch.batch[batch.edge_index[1]])
        pairs = zip(given, found if isinstance(found, tuple) else (found,), owners, strict=False)
        return hand_on([old if new is old else old + gates[owner] * (new - old) for old, new, owner in pairs])


class Skip(nn.Module):
    """Where a layer was."""

    def __init__(self, num_states: int) -> None:
        super().__init__()
        self.num_states = num_states

    def forward(self, *args: Any) -> Any:
        return hand_on(args[: self.num_states])


def num_states(layer: nn.Module) -> int:
    """How many of its arguments a layer returns anew: those of the nodes and of the edges, unless it says otherwise."""
    return getattr(layer, "num_states", 2)


def hand_on(states: Any) -> Any:
    """As a layer returns them: one alone, or all in a tuple."""
    return tuple(states) if len(states) > 1 else states[0]
