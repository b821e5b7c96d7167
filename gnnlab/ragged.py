"""Rows of which each graph has a number of its own: counts, pointers and gathers; `repeat` and `ranges` on the CPU."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad


def pointers(counts: Tensor) -> Tensor:
    """Counts [n] to pointers [n+1]: 0, c₀, c₀+c₁, …"""
    return pad(counts.cumsum(0), (1, 0))


def places(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Of the rows of groups of `counts` [n], one after the other: the group of each, and its place in it from 0 on."""
    group = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    return group, torch.arange(len(group), device=counts.device) - pointers(counts)[group]


def edge_key(source: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    """[E] a number for each pair of ends; ascending where edges are sorted by (destination, source)."""
    return target * num_nodes + source


def repeat(values: Tensor, counts: Tensor) -> Tensor:
    """Each of `values` [n] `counts[i]` times. NumPy's is faster, and never waits for a second thread."""
    return torch.from_numpy(np.repeat(values.numpy(), counts.numpy()))


def rows(value: Tensor, index: Tensor) -> Tensor:
    """`value[index]`, in torch's fastest form: on one dimension."""
    if value.dim() == 2 and value.shape[1] == 1:
        return rows(value[:, 0], index)[:, None]
    return torch.index_select(value, 0, index)


def ranges(first: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The concatenated ranges first[i] … first[i]+counts[i]−1, and the pointers of the concatenation."""
    ptr = pointers(counts)
    return torch.arange(int(ptr[-1])) + repeat(first - ptr[:-1], counts), ptr
