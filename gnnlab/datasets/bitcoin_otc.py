"""Bitcoin OTC (Kumar et al., ICDM 2016): who rates whom, as a sequence of graphs. No task here reads one yet.

The steps of time are those of EvolveGCN (Pareja et al., AAAI 2020) and `torch_geometric.datasets.BitcoinOTC`.
"""

from pathlib import Path

import numpy as np
import torch
from torch_geometric.datasets import BitcoinOTC as Loader

from gnnlab.datasets.source import DataSource, check_file, download_only, read_lines
from gnnlab.packed import Packed

FILE = "raw/soc-sign-bitcoinotc.csv"
STEP = 13.8 * 24 * 3600
"""Seconds."""


def snapshots(source: DataSource, window: int = 10) -> Packed:
    """138 directed graphs of the same 6,005 users: graph t has the ratings of the steps t − window + 1 … t.

    The edge attribute `rating` [E] lies between −10 and 10. A step lasts 13.8 days, but begins with a rating: no
    step is empty. Raises `UsageError` where the file is missing or damaged.
    """
    raw = source.raw("BitcoinOTC", [FILE], download_only(Loader))
    return raw.read(lambda root: _pack(Path(root, FILE), window), check_file)


def _pack(path: Path, window: int) -> Packed:
    ratings = np.array([line.split(",") for line in read_lines(path)], np.float64)
    ends = torch.from_numpy(ratings[:, :2].T.astype(np.int64))
    ends, rating = ends - ends.min(), torch.from_numpy(ratings[:, 2].astype(np.int64))
    step = torch.from_numpy(steps(ratings[:, 3]))
    count = int(step.max()) + 1
    graph, index = ((step <= torch.arange(count)[:, None]) & (step > torch.arange(count)[:, None] - window)).nonzero().T
    return Packed.from_tensors(
        torch.full((count,), int(ends.max()) + 1),
        torch.bincount(graph, minlength=count),
        ends[:, index],
        edge={"rating": rating[index]},
    )


def steps(time: np.ndarray) -> np.ndarray:
    """The step of each rating from its time in whole seconds, in order; never more than one after the last."""
    elapsed, found, now = np.floor(time) - np.floor(time[0]), [], 0
    for seconds in elapsed:
        now += seconds >= (now + 1) * STEP
        found.append(now)
    return np.array(found)
