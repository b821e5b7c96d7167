"""Attention among some nodes of every graph, as it is learnt and as it is left.

Those of highest score w·x are chosen (`gnnlab.sparsifiers.gtsp.select`); the others are neither asked nor heard, and
the layer's residual carries them on. What is learnt is in a parameter and buffers.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from gnnlab.batch import Batch
from gnnlab.nn.mixer.attention import Attention
from gnnlab.sparsifiers.gtsp.select import Part, gumbel, highest, straight_through


class TokenMask(nn.Module):
    """Attention among the share `keep` of each graph's nodes. `first_stays`: the first node is one of them.

    In training while it `learns`, all are computed and weighted, so that gradients reach every score, with `noise` on
    the scores if asked for; else only the chosen ones are.
    """

    static_shapes: ClassVar[bool] = False
    installed: ClassVar[bool] = True
    keep: Tensor
    temperature: Tensor

    def __init__(self, dim: int, first_stays: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim))
        self.register_buffer("keep", torch.ones((), dtype=torch.float64))
        self.register_buffer("temperature", torch.ones(()))
        self.first_stays, self.noise, self.learns = first_stays, True, False

    def forward(self, attention: Attention, x: Tensor, batch: Batch, bias: Tensor | None) -> Tensor:
        if self.keep == 1:
            return attention.read(x, batch, bias)
        learns = self.learns and self.training
        score = linear(x, self.weight[None])[:, 0]
        score = score.to(torch.promote_types(score.dtype, torch.float32))
        score = score + gumbel(score) if learns and self.noise else score
        chosen = highest(score, batch, self.keep, self.first_stays)
        if learns:
            mask = straight_through(score, batch, chosen, self.temperature).to(x.dtype)
            return mask[:, None] * attention.read(x, batch, bias, mask)
        part = Part.of(chosen, batch)
        among = None if bias is None else bias.index_select(0, part.pairs(batch))
        read = attention.read(x.index_select(0, part.rows), part.batch, among)
        return read.new_zeros(len(x), read.shape[1]).index_copy(0, part.rows, read)
