"""Properties of graphs and of their nodes that algorithms compute, on generated graphs (Corso et al., NeurIPS 2020)."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

import networkx as nx
import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from gnnlab.bounds import Count, Natural
from gnnlab.datasets.base import Dataset
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec, Level

Random = np.random.Generator
Array = np.ndarray

KINDS: list[tuple[float, Callable[[int, Random], nx.Graph]]] = [
    (0.20, lambda n, random: nx.gnp_random_graph(n, random.random(), seed=seed(random))),
    (0.20, lambda n, random: nx.barabasi_albert_graph(n, int(random.integers(1, n)), seed=seed(random))),
    (0.05, lambda n, random: nx.grid_2d_graph(side(n), n // side(n))),
    (0.05, lambda n, random: nx.caveman_graph(side(n), n // side(n))),
    (0.15, lambda n, random: nx.random_powerlaw_tree(n, seed=seed(random), tries=1_000)),
    (0.05, lambda n, random: ladder(n)),
    (0.05, lambda n, random: nx.path_graph(n)),
    (0.05, lambda n, random: nx.star_graph(n - 1)),
    (0.10, lambda n, random: caterpillar(n, random)),
    (0.10, lambda n, random: caterpillar(n, random, deeper=True)),
]
"""How often each kind of graph is drawn, and how, with n nodes."""

SMALLEST = 15
SIZES = {"train": 10, "val": 5, "test": 5}
"""How many sizes there are, each one larger than the last and as frequent."""


@dataclass(frozen=True)
class GraphTheory(Dataset):
    """Random graphs of ten kinds, drawn as in the release: 15 … 24 nodes in training, 15 … 19 otherwise.

    A few edges are moved, which may cut a graph up, but leaves no node alone. Features: a random number in [0, 1), and
    whether the node is the source. Every target is divided by its largest size in training. Trained on squares; metric
    RMSE, mean over the targets. The paper learns the targets of nodes and of graphs together: compare with published
    numbers by their order only.
    """

    level: ClassVar[Level]
    num_train: Count = 5_120
    num_val: Count = 640
    num_test: Count = 1_280
    seed: Natural = 0

    def spec(self) -> GraphSpec:
        return GraphSpec(f"{self.level}_properties", self.level, "regression", 3, "rmse", Feature.continuous(2))

    @abstractmethod
    def targets(self, adjacency: Array, x: Array) -> Array:
        """[n, 3] or [1, 3], from the adjacency [n, n] and the features [n, 2] of a graph."""

    def build(self) -> dict[str, Packed]:
        random = np.random.default_rng(self.seed)
        counts = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        splits = {split: self._graphs(random, count, SIZES[split]) for split, count in counts.items()}
        largest = self._of(splits["train"])["y"].abs().amax(0).clamp(min=1e-9)
        for packed in splits.values():
            self._of(packed)["y"] /= largest
        return splits

    def _of(self, packed: Packed) -> dict[str, Tensor]:
        return packed.graph if self.level == "graph" else packed.node

    def _graphs(self, random: Random, count: int, num_sizes: int) -> Packed:
        sizes, edges, features, targets = [], [], [], []
        for number in range(count):
            adjacency = drawn(SMALLEST + number % num_sizes, random)
            x = np.stack([random.random(len(adjacency)), np.zeros(len(adjacency))], axis=1)
            x[random.integers(len(x)), 1] = 1
            sizes.append(len(x))
            edges.append(np.stack(adjacency.nonzero()))
            features.append(x)
            targets.append(self.targets(adjacency, x))
        y = {"y": torch.from_numpy(np.concatenate(targets)).float()}
        return Packed.from_tensors(
            torch.tensor(sizes),
            torch.tensor([end.shape[1] for end in edges]),
            torch.from_numpy(np.concatenate(edges, axis=1)),
            node={"x": torch.from_numpy(np.concatenate(features)).float(), **(y if self.level == "node" else {})},
            graph=y if self.level == "graph" else {},
        )


@dataclass(frozen=True)
class NodeProperties(GraphTheory):
    """Eccentricity, distance from a source, and Laplacian of a signal, at each node (Corso et al., NeurIPS 2020).

    Distances are those within the part of the graph that a node lies in, and 0 from a source elsewhere.
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected")
    level: ClassVar[Level] = "node"

    def targets(self, adjacency: Array, x: Array) -> Array:
        distance = distances(adjacency)
        laplacian = adjacency.sum(1) * x[:, 0] - adjacency @ x[:, 0]
        return np.stack([distance.max(1), distance @ x[:, 1], laplacian], axis=1)


@dataclass(frozen=True)
class GraphProperties(GraphTheory):
    """Whether a graph is connected, its diameter, and its spectral radius (Corso et al., NeurIPS 2020).

    The diameter is the largest one of its parts. The release squares the adjacency, which has no loops, to see what
    is connected, and so calls no bipartite graph connected; here they are what they are.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "undirected")
    level: ClassVar[Level] = "graph"

    def targets(self, adjacency: Array, x: Array) -> Array:
        connected = np.isfinite(shortest_path(adjacency, unweighted=True)).all()
        return np.array([[connected, distances(adjacency).max(), np.abs(np.linalg.eigvalsh(adjacency)).max()]])


def distances(adjacency: Array) -> Array:
    """Lengths [n, n] of shortest paths, 0 where there is none."""
    length = shortest_path(adjacency, unweighted=True)
    return np.where(np.isfinite(length), length, 0)


def drawn(nodes: int, random: Random) -> Array:
    """The adjacency [n, n] of a graph of one of the kinds, drawn again while a node is alone."""
    kind = random.choice(len(KINDS), p=[share for share, _ in KINDS])
    while True:
        adjacency = moved(nx.to_numpy_array(KINDS[kind][1](nodes, random)), random)
        if adjacency.any(0).all():
            return adjacency


def moved(adjacency: Array, random: Random) -> Array:
    """Without some of its edges, and with some others.

    In the paper each edge goes with the probability p = 0.1 min(1, others / edges), and each other pair comes
    with p = 0.1 min(1, edges / others). The release compares p with the mean of two random numbers, which makes
    it 2 p²; so it is here.
    """
    nodes, edges = len(adjacency), adjacency.sum() / 2
    others = nodes * (nodes - 1) / 2 - edges
    chance = 0.1 * np.where(adjacency > 0, min(1, others / max(edges, 1)), min(1, edges / max(others, 1)))
    noise = random.random((nodes, nodes))
    flipped = (noise + noise.T) / 2 < chance
    np.fill_diagonal(flipped, False)
    return np.abs(adjacency - flipped)


def side(nodes: int) -> int:
    """The largest divisor up to the square root."""
    return max(i for i in range(1, isqrt(nodes) + 1) if nodes % i == 0)


def ladder(nodes: int) -> nx.Graph:
    """Of an odd number of nodes, the last hangs on the first."""
    graph = nx.ladder_graph(nodes // 2)
    if nodes % 2:
        graph.add_edge(0, nodes - 1)
    return graph


def caterpillar(nodes: int, random: Random, deeper: bool = False) -> nx.Graph:
    """A path of random length and nodes that hang on it; `deeper`, a lobster: and others that hang on these."""
    spine = int(random.integers(1, nodes))
    hung = int(random.integers(spine + 1, nodes + 1)) if deeper else nodes
    graph = nx.path_graph(spine)
    graph.add_edges_from((node, int(random.integers(spine))) for node in range(spine, hung))
    graph.add_edges_from((node, int(random.integers(spine, hung))) for node in range(hung, nodes))
    return graph


def seed(random: Random) -> int:
    return int(random.integers(2**31))
