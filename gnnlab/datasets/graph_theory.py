"""Properties of graphs and of their nodes that algorithms compute, on generated graphs (Corso et al., NeurIPS 2020)."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import networkx as nx
import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from gnnlab.datasets.base import Dataset
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec, Level

Random = np.random.Generator
Array = np.ndarray

KINDS: list[tuple[float, Callable[[int, Random], nx.Graph]]] = [
    (0.20, lambda n, random: nx.gnp_random_graph(n, random.random(), seed=seed(random))),
    (0.20, lambda n, random: nx.barabasi_albert_graph(n, int(random.integers(1, n)), seed=seed(random))),
    (0.05, lambda n, random: nx.grid_2d_graph(int(n**0.5), n // int(n**0.5))),
    (0.05, lambda n, random: nx.connected_caveman_graph(int(n**0.5), n // int(n**0.5))),
    (0.15, lambda n, random: nx.from_prufer_sequence(random.integers(n, size=n - 2).tolist())),
    (0.05, lambda n, random: nx.ladder_graph(n // 2)),
    (0.05, lambda n, random: nx.path_graph(n)),
    (0.05, lambda n, random: nx.star_graph(n - 1)),
    (0.10, lambda n, random: caterpillar(n, int(random.integers(2, n)), random)),
    (0.10, lambda n, random: caterpillar(n, int(random.integers(2, n // 2)), random, deeper=True)),
]
"""How often each kind of graph is drawn, and how, with n nodes or nearly so."""


@dataclass(frozen=True)
class GraphTheory(Dataset):
    """Random graphs of ten kinds and 15 … 50 nodes; a tenth of the edges is moved elsewhere, which may cut them up.

    Features: a random number in [0, 1), and whether the node is the source. Every target is divided by its largest
    size in training. Trained on squares; metric RMSE, mean over the targets. The recipe is that of the paper up to
    details it leaves open, and the tasks are learnt apart: compare with published numbers by their order only.
    """

    level: ClassVar[Level]
    num_train: int = 5_120
    num_val: int = 640
    num_test: int = 1_280
    seed: int = 0

    def spec(self) -> GraphSpec:
        return GraphSpec(f"{self.level}_properties", self.level, "regression", 3, "rmse", Feature.continuous(2))

    @abstractmethod
    def targets(self, adjacency: Array, x: Array) -> Array:
        """[n, 3] or [1, 3], from the adjacency [n, n] and the features [n, 2] of a graph."""

    def build(self) -> dict[str, Packed]:
        random = np.random.default_rng(self.seed)
        counts = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        splits = {split: self._graphs(random, count) for split, count in counts.items()}
        largest = self._of(splits["train"])["y"].abs().amax(0).clamp(min=1e-9)
        for packed in splits.values():
            self._of(packed)["y"] /= largest
        return splits

    def _of(self, packed: Packed) -> dict[str, Tensor]:
        return packed.graph if self.level == "graph" else packed.node

    def _graphs(self, random: Random, count: int) -> Packed:
        sizes, edges, features, targets = [], [], [], []
        for _ in range(count):
            adjacency = moved(drawn(random), random)
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

    The diameter is the largest one of its parts.
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


def drawn(random: Random) -> Array:
    """The adjacency [n, n] of a graph of one of the kinds."""
    kind = random.choice(len(KINDS), p=[share for share, _ in KINDS])
    return nx.to_numpy_array(KINDS[kind][1](int(random.integers(15, 51)), random))


def moved(adjacency: Array, random: Random, share: float = 0.1) -> Array:
    """Without a random tenth of its edges, and with as many others, both on average."""
    nodes = len(adjacency)
    pairs, edges = nodes * (nodes - 1) / 2, adjacency.sum() / 2
    added = share * edges / max(pairs - edges, 1)
    flipped = np.triu(random.random((nodes, nodes)) < np.where(adjacency > 0, share, added), 1)
    return np.abs(adjacency - flipped - flipped.T)


def caterpillar(nodes: int, spine: int, random: Random, deeper: bool = False) -> nx.Graph:
    """A path of `spine` nodes and others that hang on it; `deeper`, a lobster: half of these hang on the other half."""
    hung = spine + (nodes - spine) // 2 if deeper else nodes
    graph = nx.path_graph(spine)
    graph.add_edges_from((node, int(random.integers(spine))) for node in range(spine, hung))
    graph.add_edges_from((node, int(random.integers(spine, hung))) for node in range(hung, nodes))
    return graph


def seed(random: Random) -> int:
    return int(random.integers(2**31))
