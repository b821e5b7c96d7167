"""Small graphs as dense batches of equal size, large ones alone and sparse: the offline loop over a split.

Graphs of n ≤ 512 nodes are taken in groups of the same n, as adjacencies [g, n, n] of bounded memory.
Nothing is padded, and a graph's result depends on its group by rounding alone. A [i, j] counts the edges i → j.
One thread does it all: a second one has little to gain on matrices this small, and on a busy machine it
makes them many times slower.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from scipy.sparse import csr_array
from torch import Tensor
from tqdm import tqdm

from gnnlab.packed import Packed

LARGEST_DENSE = 512
ELEMENTS = 1 << 16  # of a dense batch: small enough to stay in a core's cache


def by_size(
    graphs: Packed,
    width: int,
    dense: Callable[[Tensor], Tensor],
    sparse: Callable[[csr_array], Tensor],
    name: str,
) -> Tensor:
    """Node values [N, width] from `dense`: [g, n, n] → [g, n, width] and, for large graphs, `sparse`: A → [n, width].

    A progress bar called `name` appears after two seconds.
    """
    values = torch.zeros(graphs.num_nodes, width)
    sizes = graphs.ptr.diff()
    with one_thread(), tqdm(total=graphs.num_nodes, desc=name, unit="node", delay=2, leave=False) as progress:
        for n in sizes[sizes > 0].unique().tolist():
            small = n <= LARGEST_DENSE
            for index in (sizes == n).nonzero()[:, 0].split(max(1, ELEMENTS // n**2) if small else 1):
                nodes = graphs.ptr[index, None] + torch.arange(n)
                group = graphs.take(index)
                values[nodes] = (dense(_dense(group, n)) if small else sparse(_sparse(group))).to(values.dtype)
                progress.update(nodes.numel())
    return values


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch and its BLAS on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _dense(graphs: Packed, n: int) -> Tensor:
    source, target = graphs.edge_index
    adjacency = torch.zeros(graphs.num_nodes * n)
    adjacency.index_add_(0, source * n + target % n, torch.ones(graphs.num_edges))
    return adjacency.view(-1, n, n)


def _sparse(graph: Packed) -> csr_array:
    n, (source, target) = graph.num_nodes, graph.edge_index.numpy()
    return csr_array((torch.ones(graph.num_edges).numpy(), (source, target)), shape=(n, n))
