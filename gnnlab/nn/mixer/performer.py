"""Linear attention by random features: Choromanski et al., "Rethinking Attention with Performers", ICLR 2021.

With M random directions ω_m, orthogonal and as long as Gaussian ones, exp(q·k) is on average φ(q)·φ(k), where
φ_m(x) = exp(ω_m·x − |x|²/2) / √M is positive. So attention costs O(N M) instead of O(Σ_g n_g²).
"""

import math

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.nn.heads import MultiHead, columns, head_width, narrow
from gnnlab.nn.linear import Linear
from gnnlab.ops import linear_attention, pool

FLOOR = 1e-4
"""Added to every feature, so that no weighted mean divides by zero."""


class Performer(MultiHead):
    """Performer (Choromanski et al. 2021): softmax attention within each graph, estimated in linear time.

    x [N, dim] to [N, dim]. `head_dim`: width C of a head, dim / num_heads by default. `features`: M of each head,
    ⌊C ln C⌋ by default. The directions are drawn once and kept with the weights. Four projections, all but the last
    without bias.
    """

    directions: Tensor

    def __init__(self, dim: int, num_heads: int = 4, head_dim: int | None = None, features: int | None = None) -> None:
        super().__init__()
        width = head_dim or head_width(dim, num_heads, "model.mixer")
        self.dim, self.num_heads = dim, num_heads
        self.qkv = Linear(dim, 3 * num_heads * width, bias=False)
        self.out = Linear(num_heads * width, dim)
        count = features or max(1, int(width * math.log(width)))
        self.register_buffer("directions", orthogonal_directions(count, width))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, 1)
        q, k = self.logarithms(query), self.logarithms(key)
        most = pool(k.detach().flatten(1), batch, "max").view(batch.num_graphs, *k.shape[1:])
        q = q - q.detach().amax(-1, keepdim=True)  # a factor of its own for each query and one for all keys of a graph
        k = k - most.amax(-1, keepdim=True).index_select(0, batch.batch)  # cancel, and keep exp from overflowing
        q, k = (q.exp() + FLOOR).flatten(1), (k.exp() + FLOOR).flatten(1)
        mixed = linear_attention(q, k, value.contiguous(), batch, self.num_heads)
        if self.head_mask is not None:
            mixed = self.head_mask(mixed, batch.batch, batch.num_graphs)
        return self.out(mixed)

    def logarithms(self, x: Tensor) -> Tensor:
        """log φ_m of every head, up to a constant: [N, dim] to [N, H, M]."""
        heads = x.unflatten(1, (self.num_heads, -1)) / self.directions.shape[1] ** 0.25
        return heads @ self.directions.to(heads.dtype).t() - heads.square().sum(-1, keepdim=True) / 2

    def keep_heads(self, heads: Tensor) -> None:
        kept = columns(heads, self.num_heads, self.out.in_features)
        narrow(self.qkv, rows=torch.cat([part * self.out.in_features + kept for part in range(3)]))
        narrow(self.out, inputs=kept)
        self.num_heads = len(heads)

    def flops(self, nodes: Tensor, edges: Tensor, heads: int) -> Tensor:
        features, width = self.directions.shape
        return 2 * nodes * heads * (4 * self.dim * width + 2 * width * features + features * (width + 1))


def orthogonal_directions(count: int, width: int) -> Tensor:
    """[count, width]: blocks of `width` orthogonal rows, each as long as a Gaussian vector."""
    blocks = [torch.linalg.qr(torch.randn(width, width))[0].t() for _ in range(0, count, width)]
    return torch.cat(blocks)[:count] * torch.randn(count, width).norm(dim=1, keepdim=True)
