"""Linear attention by random features: Choromanski et al., "Rethinking Attention with Performers", ICLR 2021.

In a head of width C, exp(q·k / √C) is on average φ(q / C^¼)·φ(k / C^¼), with

    φ_m(x) = exp(ω_m·x − |x|²/2) / √M > 0

for M random directions ω_m [C], orthogonal and as long as Gaussian ones. So x_i' = Σ_j φ_i·φ_j v_j / Σ_j φ_i·φ_j, with
φ_i of the query and φ_j of the key, has sums over j that do not depend on i: the cost is O(N M C), not O(Σ_g n_g² C).
"""

import math

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Probability
from gnnlab.nn.dropout import Dropout
from gnnlab.nn.multi_head import MultiHead, columns, head_width, narrow
from gnnlab.ops import linear_attention, pool
from gnnlab.ops.linear import Linear

FLOOR = 1e-4
"""Added to every feature, relative to the largest, so that no weighted mean divides by zero. It pulls the weights a
little towards uniform."""


class Performer(MultiHead):
    """Performer (Choromanski et al. 2021): softmax attention within each graph, estimated in linear time.

    x [N, dim] to [N, dim]. `head_dim`: width C of a head, dim / num_heads by default. `features`: M directions,
    ⌊C ln C⌋ by default, drawn once, the same for every head, and kept with the weights. Queries, keys and values have
    no bias, the output has; `dropout` acts on it, as GraphGPS's of the attention does.
    """

    directions: Tensor  # [M, C]

    def __init__(
        self,
        dim: int,
        num_heads: Count = 4,
        head_dim: Count | None = None,
        features: Count | None = None,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        width = head_dim or head_width(dim, num_heads, "model.mixer")
        self.dim, self.num_heads = dim, num_heads
        self.qkv = Linear(dim, 3 * num_heads * width, bias=False)
        self.out = Linear(num_heads * width, dim)
        self.dropout = Dropout(dropout)
        count = features or max(1, int(width * math.log(width)))
        self.register_buffer("directions", orthogonal_directions(count, width))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, 1)
        q, k = self.log_features(query), self.log_features(key)
        # Lest exp overflows, every query loses its own maximum, and all keys of a graph the one they have in common:
        # numerator and denominator of the mean lose the same factor.
        largest = pool(k.detach().flatten(1), batch, "max").view(batch.num_graphs, *k.shape[1:]).amax(-1, keepdim=True)
        q = (q - q.detach().amax(-1, keepdim=True)).exp() + FLOOR
        k = (k - largest.index_select(0, batch.batch)).exp() + FLOOR
        mixed = linear_attention(q.flatten(1), k.flatten(1), value.contiguous(), batch, self.num_heads)
        if self.head_mask is not None:
            mixed = self.head_mask(mixed, batch.batch, batch.num_graphs)
        return self.dropout(self.out(mixed))

    def log_features(self, x: Tensor) -> Tensor:
        """log φ_m(x / C^¼) of every head, without the 1/√M that cancels: [N, H C] to [N, H, M]."""
        heads = x.unflatten(1, (self.num_heads, -1)) / self.directions.shape[1] ** 0.25
        return heads @ self.directions.to(heads.dtype).t() - heads.square().sum(-1, keepdim=True) / 2

    def keep_heads(self, heads: Tensor) -> None:
        kept = columns(heads, self.num_heads, self.out.in_features)
        narrow(self.qkv, rows=torch.cat([part * self.out.in_features + kept for part in range(3)]))
        narrow(self.out, inputs=kept)
        self.num_heads = len(heads)

    def flops(self, nodes: Tensor, edges: Tensor, heads: int) -> Tensor:
        """What torch's counter sees of the reference: the four maps, ω·q and ω·k, and φ(q) times the sums of a graph.

        Those sums, Σ_j φ(k_j) ⊗ v_j, are no matrix product there, and so it leaves them out.
        """
        features, width = self.directions.shape
        return 2 * nodes * heads * (4 * self.dim * width + 2 * width * features + features * (width + 1))


def orthogonal_directions(count: int, width: int) -> Tensor:
    """[count, width]: blocks of `width` orthogonal rows, each as long as a Gaussian vector."""
    blocks = []
    for _ in range(0, count, width):
        q, r = torch.linalg.qr(torch.randn(width, width))
        blocks.append((q * r.diagonal().sign()).t())  # uniform; with LAPACK's own signs, q prefers some directions
    return torch.cat(blocks)[:count] * torch.randn(count, width).norm(dim=1, keepdim=True)
