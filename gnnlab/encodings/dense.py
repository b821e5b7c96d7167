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
    for _, nodes, group in groups(graphs, name):
        small = nodes.shape[1] <= LARGEST_DENSE
        values[nodes] = (dense(adjacency(group)) if small else sparse(_sparse(group))).to(values.dtype)
    return values


def groups(graphs: Packed, name: str) -> Iterator[tuple[Tensor, Tensor, Packed]]:
    """Graphs of equal size: their numbers [g] and nodes [g, n], and the g graphs. Large ones come one by one."""
    sizes = graphs.ptr.diff()
    with one_thread(), tqdm(total=graphs.num_nodes, desc=name, unit="node", delay=2, leave=False) as progress:
        for n in sizes[sizes > 0].unique().tolist():
            count = max(1, ELEMENTS // n**2) if n <= LARGEST_DENSE else 1
            for index in (sizes == n).nonzero()[:, 0].split(count):
                nodes = graphs.ptr[index, None] + torch.arange(n)
                yield index, nodes, graphs.take(index)
                progress.update(nodes.numel())


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch and its BLAS on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def adjacency(group: Packed) -> Tensor:
    """[g, n, n] of graphs of equal size."""
    n = group.num_nodes // group.num_graphs
    source, target = group.edge_index
    counts = torch.zeros(group.num_nodes * n)
    counts.index_add_(0, source * n + target % n, torch.ones(group.num_edges))
    return counts.view(-1, n, n)


def without_directions(adjacency: Tensor) -> Tensor:
    """max(A, Aᵀ): A itself where it is symmetric."""
    return torch.maximum(adjacency, adjacency.mT)


def _sparse(graph: Packed) -> csr_array:
    n, (source, target) = graph.num_nodes, graph.edge_index.numpy()
    return csr_array((torch.ones(graph.num_edges).numpy(), (source, target)), shape=(n, n))
