"""Random walks on whole stores of graphs, for encodings. On the CPU only: that is where stores live."""

import torch
from torch import Tensor

from gnnlab.ops import backend
from gnnlab.packed import Packed

OP = "return_probabilities"


def is_fused() -> bool:
    """Whether a kernel serves."""
    return backend.serves(OP, "cpu")


def return_probabilities(graphs: Packed, steps: int) -> Tensor:
    """[N, steps] float32: the probability that a walk along the edges is back where it began after 1 … `steps` steps.

    `gnnlab.encodings.rwse` says it in plain torch. Time grows with nodes × edges × steps of a graph, memory with nodes.
    """
    return torch.ops.gnnlab.return_probabilities(graphs.ptr, graphs.colptr, graphs.out_target, steps)
