"""Global softmax attention over the nodes of each graph (Vaswani et al., 2017; GPS, Rampášek et al., 2022)."""

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.errors import UsageError
from gnnlab.nn.linear import Linear
from gnnlab.ops import attention


class Attention(nn.Module):
    """Multi-head self-attention within each graph: x [N, dim] to [N, dim].

    Four projections with biases. `dropout` acts on the attention weights, in training. A `bias` of the scores: see
    `gnnlab.ops.attention`.
    """

    def __init__(self, dim: int, num_heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % num_heads:
            raise UsageError(
                f"model.hidden_dim={dim} is not a multiple of model.mixer.num_heads={num_heads}; change one of them."
            )
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = Linear(dim, 3 * dim)
        self.out = Linear(dim, dim)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, batch: Batch, bias: Tensor | None = None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        return self.out(attention(self.qkv(x), batch, self.num_heads, dropout, bias))
