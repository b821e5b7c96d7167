"""Counting FLOPs: torch's own counter, the attention of CPUs, which it leaves out, and sums over edges."""

from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def flop_counter() -> FlopCounterMode:
    """A context that counts; `get_total_flops()` says how many, `flop_registry` which operations it knows."""
    return FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    )


def sum_counter() -> FlopCounterMode:
    """The same, with one FLOP besides for each number that is summed, or compared, into the row of a node or graph."""
    aten = torch.ops.aten
    own = {aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    return FlopCounterMode(display=False, custom_mapping={**own, aten.index_add: _sum, aten.scatter_reduce: _sum})


def _sum(into: Any, dim: int, index: Any, source: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    return prod(source)


def _attention(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    return sdpa_flop_count(query, key, value)
