"""What a forward pass costs: the FLOPs that torch counts (matrix products, convolutions, attention), and sums.

Sums over edges and elementwise work are not among the FLOPs. Give graphs one by one: attention in plain torch fills a
batch up to its largest graph, and that would count.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from gnnlab.batch import Batch
from gnnlab.ops import backend


def flops_per_graph(model: nn.Module, batches: Sequence[Batch]) -> int:
    """FLOPs of the products in forward passes over `batches`, per graph."""
    with as_counted(model), flop_counter() as counter:
        graphs = forward_all(model, batches)
    return round(counter.get_total_flops() / graphs)


def sums_per_graph(model: nn.Module, batches: Sequence[Batch]) -> int:
    """The numbers summed into the rows of nodes and graphs, per graph: what fewer edges save in a GCN."""
    with as_counted(model), flop_counter() as products, sum_counter() as both:
        graphs = forward_all(model, batches)
    return round((both.get_total_flops() - products.get_total_flops()) / graphs)


def forward_all(model: nn.Module, batches: Sequence[Batch]) -> int:
    """A forward pass over each; how many graphs they have together."""
    for batch in batches:
        model(batch)
    return sum(batch.num_graphs for batch in batches)


@contextmanager
def as_counted(model: nn.Module) -> Iterator[None]:
    """`model` as it is counted: in evaluation, without gradients, in plain torch whichever ops serve otherwise."""
    was_training = model.training
    with backend.using("reference"), torch.no_grad():
        model.eval()
        yield
    model.train(was_training)


def flop_counter() -> FlopCounterMode:
    """A context that counts; `get_total_flops()` says how many, `flop_registry` which operations it knows.

    Torch's own counter leaves out the attention of CPUs.
    """
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
