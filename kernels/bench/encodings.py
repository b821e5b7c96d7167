"""The offline halves of the encodings beside PyG's transforms, on one thread each.

ZINC, all three splits, and 500 molecules of Peptides-func; the two alternate, medians over the repeats. PyG's
`AddLaplacianEigenvectorPE` normalises the Laplacian and leaves out the first vector; so does ours here.
"""

import logging
from collections.abc import Iterator
from statistics import median

from threadpoolctl import threadpool_limits
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from gnnlab.encodings.dense import one_thread
from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.rwse import RWSE
from gnnlab.packed import Packed
from kernels.bench.graphs import as_pyg, peptides, zinc
from kernels.bench.measure import SETTINGS, Row, clock

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
    """A row for each encoding and set of graphs: median seconds for all of them."""
    logging.getLogger("gnnlab.encodings").setLevel(logging.ERROR)
    yield from of(*zinc())
    yield from of("Peptides-func", [peptides(8 if SETTINGS.quick else 500)])


def of(name: str, splits: list[Packed]) -> Iterator[Row]:
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
