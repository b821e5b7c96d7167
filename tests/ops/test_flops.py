"""The attention of CPUs counts, as that of GPUs does."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from gnnlab.ops.flops import flop_counter


def test_scores_and_values_count_on_cpus() -> None:
    """Two products of 2 n² d for each graph and head."""
    query = torch.randn(3, 4, 7, 8)
    for mask in (None, torch.zeros(3, 4, 7, 7), torch.ones(3, 1, 1, 7, dtype=torch.bool)):
        with torch.no_grad(), flop_counter() as counter:
            scaled_dot_product_attention(query, query, query, attn_mask=mask)
        assert counter.get_total_flops() == 3 * 4 * 4 * 7**2 * 8
