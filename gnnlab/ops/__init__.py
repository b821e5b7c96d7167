"""Operations on edges and segments, in plain torch: the readable reference of every fused kernel.

Sums run over edges in storage order (sorted by destination), so results are reproducible on the CPU.
"""

from gnnlab.ops.segment import aggregate, degree, pool

__all__ = ["aggregate", "degree", "pool"]
