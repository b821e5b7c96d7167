"""Selective state spaces (S6) over the nodes of each graph as a sequence, without padding.

Mamba: Gu & Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023. On graphs: Graph-Mamba (Wang
et al., 2024: nodes by degree, one direction) and GMN (Behrouz & Hashemi, KDD 2024: both directions). Of a row u:

    [a, z] = W_in u,   a ← SiLU(b + Σ_k c_k ⊙ a_{t−k}),   [δ, B, C] = W_x a,   Δ = softplus(W_Δ δ + b_Δ),
    h_t = exp(Δ_t A) ⊙ h_{t−1} + (Δ_t ⊙ a_t) ⊗ B_t,   y_t = h_t C_t + D ⊙ a_t,   out = W_out (y ⊙ SiLU(z)).

Shapes: rows [N, d] of sequences that lie one after the other; a [N, E] with E = expand · d, A [E, S], B, C [N, S],
δ [N, ⌈d / 16⌉]. In code: W_in `inside`, c `kernel`, b `kernel_bias`, W_x `select`, W_Δ and b_Δ `step`,
A = −exp(`log_A`), W_out `outside`.
"""

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.nn.order import by_degree, inverse
from gnnlab.ops import selective_scan
from gnnlab.ops.linear import Linear
from gnnlab.ops.random import fresh_seed


class Sequences(NamedTuple):
    """`ptr` [G+1]: the first row of each. `before`, `after` [N]: how many rows of its sequence each has on a side."""

    ptr: Tensor
    before: Tensor
    after: Tensor

    @classmethod
    def of(cls, batch: Batch) -> "Sequences":
        """The graphs as sequences."""
        before = batch.place
        return cls(batch.ptr, before, batch.ptr.diff()[batch.batch] - 1 - before)


class S6(nn.Module):
    """One direction: x [N, dim] to [N, dim], each row from those of its sequence up to it (`reverse`: from it on)."""

    static_shapes: ClassVar[bool] = False  # the scan in plain torch takes as many steps as the longest sequence
    undecayed: ClassVar[tuple[str, ...]] = ("log_A", "D")
    own_init: ClassVar[tuple[str, ...]] = ("select", "step")

    def __init__(self, dim: int, states: int = 16, expand: int = 1, width: int = 4, reverse: bool = False) -> None:
        super().__init__()
        inner, rank = expand * dim, math.ceil(dim / 16)
        self.reverse, self.sizes = reverse, (rank, states, states)
        self.inside = Linear(dim, 2 * inner, bias=False)
        self.kernel = nn.Parameter(torch.empty(width, inner).uniform_(-1, 1) / width**0.5)
        self.kernel_bias = nn.Parameter(torch.empty(inner).uniform_(-1, 1) / width**0.5)
        self.select = Linear(inner, sum(self.sizes), bias=False)
        self.step = Linear(rank, inner)
        self.log_A = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.outside = Linear(inner, dim, bias=False)
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        steps = torch.empty(inner).uniform_(math.log(1e-3), math.log(0.1)).exp()
        self.step.bias.data = steps + (-torch.expm1(-steps)).log()  # softplus of it is between 0.001 and 0.1

    def forward(self, x: Tensor, sequences: Sequences) -> Tensor:
        a, z = self.inside(x).chunk(2, 1)
        a = silu(self.convolve(a, sequences))
        delta, B, C = self.select(a).split(self.sizes, 1)
        delta = softplus(self.step(delta.contiguous()))
        y = selective_scan(a, delta, -self.log_A.exp(), B, C, sequences.ptr, self.D, self.reverse)
        return self.outside(y * silu(z))

    def convolve(self, a: Tensor, sequences: Sequences) -> Tensor:
        """The rows Σ_k c_k ⊙ a_{t−k} + b of each sequence: nothing comes in from the one before."""
        behind, back = (sequences.after, -1) if self.reverse else (sequences.before, 1)
        out = torch.addcmul(self.kernel_bias, self.kernel[0], a)
        for lag in range(1, len(self.kernel)):
            inside = (behind >= lag).unsqueeze(-1)
            out = torch.addcmul(out, self.kernel[lag], a.roll(back * lag, 0) * inside)
        return out


class Mamba(nn.Module):
    """Mamba over nodes by degree (Graph-Mamba, Wang et al. 2024; both directions as in GMN): linear time.

    x [N, dim] to [N, dim], the sum of both directions. Nodes of equal degree are shuffled anew at every step of
    training; evaluation averages over `draws` shuffles, which are always the same.
    """

    breaks_ties: ClassVar[bool] = True

    def __init__(
        self,
        dim: int,
        states: Count = 16,
        expand: Count = 1,
        conv_width: Count = 4,
        bidirectional: bool = True,
        draws: Count = 1,
    ) -> None:
        super().__init__()
        self.draws = draws
        ways = (False, True) if bidirectional else (False,)
        self.directions = nn.ModuleList(S6(dim, states, expand, conv_width, reverse) for reverse in ways)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        sequences = batch.once("sequences", Sequences.of)
        if self.training:
            return self.along(by_degree(batch, fresh_seed(x.device)), x, sequences)
        seeds = (torch.full((1,), draw, device=x.device) for draw in range(self.draws))
        return torch.stack([self.along(by_degree(batch, seed), x, sequences) for seed in seeds]).mean(0)

    def along(self, order: Tensor, x: Tensor, sequences: Sequences) -> Tensor:
        return self.scan(x[order], sequences)[inverse(order)]

    def scan(self, x: Tensor, sequences: Sequences) -> Tensor:
        """Rows [N, dim] of sequences to [N, dim]."""
        first, *second = (direction(x, sequences) for direction in self.directions)
        return first + second[0] if second else first
