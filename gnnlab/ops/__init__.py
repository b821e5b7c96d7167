"""Operations on edges, segments and ragged rows: each a plain torch reference and, where available, kernels.

An op's file holds the function to call, its reference and its backward; `kernels/csrc` holds the kernels.
`gnnlab.ops.backend` says which of the two serves. Sums run in storage order (edges sorted by destination), so
results are reproducible to the bit.
"""

from gnnlab.ops.adamw import AdamW, clip_grad_norm_
from gnnlab.ops.attention import attention
from gnnlab.ops.concat import concat
from gnnlab.ops.dot_logits import dot_logits, dot_products
from gnnlab.ops.dropout import dropout
from gnnlab.ops.edge_softmax import edge_softmax_sum, gat
from gnnlab.ops.embed import embed
from gnnlab.ops.gat_scores import gat_scores
from gnnlab.ops.gated import gated
from gnnlab.ops.gatv2_logits import gatv2_logits
from gnnlab.ops.gine import gine
from gnnlab.ops.linear import linear
from gnnlab.ops.linear_attention import linear_attention
from gnnlab.ops.mlp import mlp
from gnnlab.ops.multi_aggregate import multi_aggregate
from gnnlab.ops.norm import Around, norm, track
from gnnlab.ops.propagate import propagate
from gnnlab.ops.scan import selective_scan
from gnnlab.ops.segment import aggregate, degree, pool

__all__ = [
    "AdamW",
    "Around",
    "aggregate",
    "attention",
    "clip_grad_norm_",
    "concat",
    "degree",
    "dot_logits",
    "dot_products",
    "dropout",
    "edge_softmax_sum",
    "embed",
    "gat",
    "gat_scores",
    "gated",
    "gatv2_logits",
    "gine",
    "linear",
    "linear_attention",
    "mlp",
    "multi_aggregate",
    "norm",
    "pool",
    "propagate",
    "selective_scan",
    "track",
]
