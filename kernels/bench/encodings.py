"""The offline halves of the encodings beside PyG's transforms, on one thread each.

All three splits; the two alternate, medians over the repeats. PyG's `AddLaplacianEigenvectorPE` normalises
the Laplacian and leaves out the first vector; so does ours here.
"""

import logging
from statistics import median
from typing import Any

from threadpoolctl import threadpool_limits
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from gnnlab.encodings.dense import one_thread
from gnnlab.encodings.lappe import LapPE
from gnnlab.encodings.rwse import RWSE
from kernels.bench.graphs import as_pyg, seconds, zinc

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


def rows() -> list[dict[str, Any]]:
    """One row per encoding: median seconds, and how many times faster ours is."""
    logging.getLogger("gnnlab.encodings").setLevel(logging.ERROR)
    name, splits = zinc()
    data = [graph for split in splits for graph in as_pyg(split)]
    ours: dict[str, list[float]] = {what: [] for what in PAIRS}
    theirs: dict[str, list[float]] = {what: [] for what in PAIRS}
    with one_thread(), threadpool_limits(1):
        for _ in range(REPEATS):
            for what, (encoding, transform) in PAIRS.items():
                ours[what].append(seconds(lambda e=encoding: [e.precompute(split) for split in splits]))
                theirs[what].append(seconds(lambda t=transform: [t(graph) for graph in data]))
    return [
        {
            "what": f"{what}, {len(data):,} graphs of {name}",
            "ours": median(ours[what]),
            "peer": median(theirs[what]),
            "unit": "s",
            "ratio": median(theirs[what]) / median(ours[what]),
            "peer_name": f"PyG {type(transform).__name__}",
        }
        for what, (_, transform) in PAIRS.items()
    ]
