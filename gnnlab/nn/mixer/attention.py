"""Global softmax attention over the nodes of each graph (Vaswani et al., 2017; GPS, Rampášek et al., 2022)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from gnnlab.batch import Batch
from gnnlab.errors import UsageError


class Attention(nn.Module):
    """Multi-head self-attention within each graph: x [N, dim] to [N, dim].

    Four projections with biases. `dropout` acts on the attention weights, in training. Projections run
    on the N real nodes only; this reference lays q, k, v out as [B, heads, n_max, dim / heads] for the
    product itself and masks the keys that no node fills.
    """

    def __init__(self, dim: int, num_heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % num_heads:
            raise UsageError(
                f"model.hidden_dim={dim} is not a multiple of model.mixer.num_heads={num_heads}; change one of them."
            )
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        num_graphs, longest, dim = batch.num_graphs, batch.max_nodes, x.shape[-1]
        place = torch.arange(batch.num_nodes, device=x.device) - batch.ptr[batch.batch] + batch.batch * longest
        qkv = self.qkv(x)
        dense = qkv.new_zeros(num_graphs * longest, 3 * dim).index_copy(0, place, qkv)
        heads = dense.view(num_graphs, longest, 3, self.num_heads, dim // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        filled = torch.arange(longest, device=x.device) < batch.ptr.diff().clamp(min=1).unsqueeze(-1)
        mixed = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=filled[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        mixed = mixed.transpose(1, 2).reshape(num_graphs * longest, dim)
        return self.out(mixed.index_select(0, place))
