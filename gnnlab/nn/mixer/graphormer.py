"""Graphormer's attention as a mixer: Ying et al., NeurIPS 2021. See `gnnlab.nn.pair_bias`."""

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Natural, Probability
from gnnlab.nn.mixer.attention import Attention
from gnnlab.nn.pair_bias import PairBias
from gnnlab.spec import GraphSpec


class Graphormer(Attention):
    """Biased softmax attention (Graphormer, Ying et al. 2021): scores know distances and the edges on shortest paths.

    x [N, dim] to [N, dim]. `max_distance`: greater ones count as one; `path`: edges looked at on a path, 0 for none.
    """

    def __init__(
        self,
        dim: int,
        spec: GraphSpec,
        num_heads: Count = 4,
        dropout: Probability = 0.0,
        max_distance: Count = 20,
        path: Natural = 5,
    ) -> None:
        super().__init__(dim, num_heads, dropout)
        self.bias = PairBias(spec, num_heads, max_distance, path)

    def forward(self, x: Tensor, batch: Batch, bias: Tensor | None = None) -> Tensor:
        own = self.bias(batch)
        return super().forward(x, batch, own if bias is None else own + bias)
