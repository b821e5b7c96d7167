"""Eigenpairs of whole stores of graphs, for encodings. On the CPU only: that is where stores live."""

from typing import Literal

import torch
from torch import Tensor

from gnnlab.ops import backend
from gnnlab.packed import Packed

OP = "smallest_eigenpairs"


def is_fused() -> bool:
    """Whether a kernel serves."""
    return backend.serves(OP, "cpu")


def smallest_eigenpairs(
    graphs: Packed, laplacian: Literal["none", "sym", "rw"], count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The first `count` eigenpairs of each graph: unit `vectors` [N, count] float32, `values` [G, count] float64, and
    `found` [G] bool: where it is False they are still to be computed otherwise.

    A graph of n < count nodes has zeros in the last vectors, ∞ in the last values. `gnnlab.encodings.laplacian` says
    which pairs, with LAPACK. Here graphs are factored as sparse matrices, 16 shifts side by side, so the time grows
    with their edges where they are like trees or chains, as molecules are. Found are those whose pairs are proven to
    be the smallest, of up to 4,096 nodes, unless they are so dense that LAPACK is faster.
    """
    return torch.ops.gnnlab.smallest_eigenpairs(
        graphs.ptr, graphs.colptr, graphs.out_target, laplacian != "none", laplacian == "rw", count
    )
