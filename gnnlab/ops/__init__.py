"""Operations on edges, segments and ragged rows: each a plain torch reference and, where they can be had, kernels.

An op's file holds the function to call, its reference and its backward; `kernels/csrc` holds the kernels.
`gnnlab.ops.backend` says which of the two serves. Sums run in storage order (edges sorted by destination), so
results are reproducible to the bit.
"""

from gnnlab.ops.adamw import AdamW, clip_grad_norm_
from gnnlab.ops.gine import gine
from gnnlab.ops.linear import linear
from gnnlab.ops.norm import Around, norm, track
from gnnlab.ops.segment import aggregate, degree, pool

__all__ = ["AdamW", "Around", "aggregate", "clip_grad_norm_", "degree", "gine", "linear", "norm", "pool", "track"]
