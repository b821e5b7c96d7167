"""The offline halves of the encodings beside PyG's transforms, on one thread each.

All three splits; the two alternate, medians over the repeats. PyG's `AddLaplacianEigenvectorPE` normalises
the Laplacian and leaves out the first vector; so does ours here.
"""

import logging
from collections.abc import Iterator
from statistics import median

from threadpoolctl import threadpool_limits
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from gnnlab.encodings.dense import one_thread
from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.rwse import RWSE
from kernels.bench.graphs import as_pyg, zinc
from kernels.bench.measure import Row, clock

REPEATS = 3
PAIRS = {
    "RWSE, 20 steps": (RWSE(20), AddRandomWalkPE(20)),
    "LapPE, 8 vectors": (
        LapPE(8, laplacian="sym", skip_trivial=True),
        AddLaplacianEigenvectorPE(8, is_undirected=True),
    ),
    "LapPE, 8 vectors, PyG's default": (
        LapPE(8, laplacian="sym", skip_trivial=True),
        AddLaplacianEigenvectorPE(8),
    ),
}


def rows() -> Iterator[Row]:
    """One row per encoding: median seconds over all splits."""
    logging.getLogger("gnnlab.encodings").setLevel(logging.ERROR)
    name, splits = zinc()
    data = [graph for split in splits for graph in as_pyg(split)]
    ours: dict[str, list[float]] = {what: [] for what in PAIRS}
    theirs: dict[str, list[float]] = {what: [] for what in PAIRS}
    with one_thread(), threadpool_limits(1):
        for _ in range(REPEATS):
            for what, (encoding, transform) in PAIRS.items():
                ours[what].append(clock(lambda e=encoding: [e.precompute(split) for split in splits]))
                theirs[what].append(clock(lambda t=transform: [t(graph) for graph in data]))
    for what, (_, transform) in PAIRS.items():
        peer = {f"PyG {type(transform).__name__}": median(theirs[what])}
        yield Row(what, f"{len(data):,} graphs of {name}", "precompute", "s", median(ours[what]), peer)
