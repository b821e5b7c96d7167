"""Bitcoin OTC (Kumar et al., ICDM 2016): who rates whom, as a sequence of graphs, and who will be distrusted next.

The steps of time and the windows are those of `torch_geometric.datasets.BitcoinOTC`, the split that of EvolveGCN
(Pareja et al., AAAI 2020), whose task this is one step ahead (there: signs of the ratings of step t, undirected, F1 of
the negative ones).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch_geometric.datasets import BitcoinOTC as Loader

from gnnlab.bounds import Count
from gnnlab.datasets.base import RawDataset, consecutive
from gnnlab.datasets.source import RawFiles, download_only, read_lines
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

FILE = "raw/soc-sign-bitcoinotc.csv"
STEP = 13.8 * 24 * 3600
"""Seconds."""


@dataclass(frozen=True)
class BitcoinOTC(RawDataset):
    """Ratings among traders in 138 steps of time (Kumar et al. 2016): is the next one between two of them negative?

    Graph t has the 6,005 users and the ratings of the steps t − `window` + 1 … t, from who rates to who is rated; their
    feature is the rating, −1 … 1, users have none. Task: which of the ratings of step t + 1, some 258, are negative,
    one in ten; metric ROC-AUC. 137 graphs, the first 95 to train, then 14 and 28.
    """

    gives: ClassVar[tuple[str, ...]] = ("edge_level", "edge_attr")

    window: Count = 10

    def spec(self) -> GraphSpec:
        return GraphSpec("bitcoin_otc", "edge", "binary", 1, "roc_auc", edge=Feature.continuous(1))

    def raw(self) -> RawFiles:
        return self.source.raw("BitcoinOTC", [FILE], download_only(Loader))

    def read(self, root: Path) -> dict[str, Packed]:
        ends, rating, step = ratings(root / FILE)
        graphs = snapshots(ends, rating, step, self.window)
        count, later = graphs.num_graphs - 1, step > 0
        graphs = graphs.take(torch.arange(count)).with_pairs(
            torch.bincount(step[later] - 1, minlength=count), ends[:, later], (rating[later, None] < 0).float()
        )
        return consecutive(graphs, (int(0.7 * count), int(0.8 * count), count))


def ratings(path: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Who rates whom [2, R], how much [R], from −10 to 10, and the step of time [R], in order."""
    columns = np.array([line.split(",") for line in read_lines(path)], np.float64)
    ends = torch.from_numpy(columns[:, :2].T.astype(np.int64))
    return ends - ends.min(), torch.from_numpy(columns[:, 2].astype(np.int64)), torch.from_numpy(steps(columns[:, 3]))


def steps(time: np.ndarray) -> np.ndarray:
    """The step of each rating from its time in whole seconds, in order; never more than one after the last.

    A step lasts 13.8 days, but begins with a rating: none is empty.
    """
    elapsed, found, now = np.floor(time) - np.floor(time[0]), [], 0
    for seconds in elapsed:
        now += seconds >= (now + 1) * STEP
        found.append(now)
    return np.array(found)


def snapshots(ends: Tensor, rating: Tensor, step: Tensor, window: int) -> Packed:
    """A graph for every step: all users, and the ratings of the last `window` steps."""
    count, time = int(step.max()) + 1, torch.arange(int(step.max()) + 1)[:, None]
    graph, index = ((step <= time) & (step > time - window)).nonzero().T
    return Packed.from_tensors(
        torch.full((count,), int(ends.max()) + 1),
        torch.bincount(graph, minlength=count),
        ends[:, index],
        edge={"edge_attr": rating[index, None] / 10},
    )
