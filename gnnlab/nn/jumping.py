"""Jumping knowledge: Xu et al., "Representation Learning on Graphs with Jumping Knowledge Networks", ICML 2018."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.nn.head import Head, read_width
from gnnlab.ops.linear import Linear
from gnnlab.ops.segment import Readout
from gnnlab.spec import GraphSpec


class Jumping(Head):
    """Jumping knowledge (Xu et al. 2018): a linear map of what a node's states after all L layers are joined to.

    `cat`: x¹ ‖ … ‖ x^L. `max`: the largest entries. `lstm`: Σ_l α_l x^l with α = softmax_l a·h^l of a bidirectional
    LSTM over x¹ … x^L, of L d / 2 units each way. Joined before the pooling, at graph level.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        spec: GraphSpec,
        readout: Readout = "mean",
        mode: Literal["cat", "max", "lstm"] = "cat",
    ) -> None:
        if depth < 1:
            raise UsageError(
                "model/head=jumping joins what layers have made, and a model of none, such as model=mlp, has nothing "
                "to join: take model/head=flat, or raise model.num_layers."
            )
        super().__init__(spec, readout)
        self.mode = mode
        if mode == "lstm":
            self.lstm = nn.LSTM(dim, depth * dim // 2, bidirectional=True)
            self.score = Linear(2 * (depth * dim // 2), 1)
        width = depth * dim if mode == "cat" else dim
        self.linear = Linear(read_width(width, spec.level), spec.out_dim)

    def forward(self, states: Sequence[Tensor], batch: Batch) -> Tensor:
        layers = list(states[1:])
        return self.linear(self.pool(torch.cat(layers, -1) if self.mode == "cat" else self.join(layers), batch))

    def join(self, layers: list[Tensor]) -> Tensor:
        """L states [N, d] to one."""
        stacked = torch.stack(layers)
        if self.mode == "max":
            return stacked.amax(0)
        return (self.score(self.lstm(stacked)[0]).softmax(0) * stacked).sum(0)
