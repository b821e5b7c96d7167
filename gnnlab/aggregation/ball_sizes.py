"""The size of a node's ball: from how many nodes of its graph, itself among them, it can be reached within ℓ steps.

Exactly in graphs of up to `EXACT` nodes, with a bit for each node; in larger ones estimated, in memory that grows with
nodes and edges alone: every node draws k numbers, and the smallest in a ball tell its size (Cohen, "Size-estimation
framework with applications to transitive closure and reachability", JCSS 1997).
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import propagate

EXACT = 10_000
"""Nodes of the largest graph whose balls are counted."""
DRAWS = 128
"""Per node: the relative standard error of an estimate is 1 / √(DRAWS − 2), 9 %."""
WORDS = 16
"""Of 64 nodes each: how many are looked at in one go."""
COLUMNS = 32
"""Draws that are spread in one go."""


@torch.no_grad()
def ball_sizes(batch: Batch, hops: int, exact: int = EXACT) -> Tensor:
    """[hops, N] float64: the nodes from which each node is reached in at most 1, 2, … steps. Works on the CPU."""
    sizes = batch.ptr.diff()
    large = sizes > exact
    counted = int(sizes[~large].max()) if (~large).any() else 0
    balls = torch.from_numpy(_count(batch, hops, counted))
    if large.any():
        balls = torch.where(large[batch.batch], _estimate(batch, hops), balls)
    return balls


def _count(batch: Batch, hops: int, columns: int) -> np.ndarray:
    """Sums of bits: bit c of a node says whether it is reached from node c of its graph, for c < `columns`."""
    source, rowptr = batch.edges.source.numpy(), batch.rowptr.numpy()
    listens = np.diff(rowptr) > 0
    place = batch.place.numpy()
    balls = np.zeros((hops, batch.num_nodes))
    for first in range(0, columns, 64 * WORDS):
        bits = np.zeros((batch.num_nodes, WORDS), np.uint64)
        (own,) = np.nonzero((place >= first) & (place < first + 64 * WORDS))
        bits[own, (place[own] - first) // 64] = np.uint64(1) << ((place[own] - first) % 64).astype(np.uint64)
        for seen in _spread(bits, source, rowptr[:-1][listens], listens, balls):
            seen += BITS[bits.view(np.uint8)].sum(1)
    return balls


def _spread(
    bits: np.ndarray, source: np.ndarray, first: np.ndarray, listens: np.ndarray, balls: np.ndarray
) -> Iterator[np.ndarray]:
    """For each row of `balls` in turn, after every node has taken the bits of its in-neighbours into `bits`."""
    moves = len(source) > 0
    for seen in balls:
        if moves:
            before = bits[listens]
            bits[listens] = before | np.bitwise_or.reduceat(bits[source], first, axis=0)
            moves = not np.array_equal(before, bits[listens])
        yield seen


def _estimate(batch: Batch, hops: int) -> Tensor:
    """(k − 1) / Σ min over k exponential numbers of rate one at each node, the same for the same place in a graph."""
    total = torch.zeros(hops, batch.num_nodes, dtype=torch.float64)
    for first in range(0, DRAWS, COLUMNS):
        randoms = map(np.random.default_rng, range(first, first + COLUMNS))
        draws = np.stack([random.standard_exponential(batch.max_nodes) for random in randoms], 1)
        largest, moves = torch.from_numpy(draws).float().clamp(min=1e-30)[batch.place].reciprocal(), True
        for hop in range(hops):
            if moves:
                before = largest
                largest = torch.maximum(before, propagate(before, batch, "max"))
                moves = not torch.equal(before, largest)
            total[hop] += largest.double().reciprocal().sum(-1)
    return (DRAWS - 1) / total


BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
