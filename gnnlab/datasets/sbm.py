"""PATTERN and CLUSTER (Dwivedi et al. 2023): nodes of stochastic block models, generated.

Recipe: benchmarking-gnns, `data/SBMs/generate_SBM_{PATTERN,CLUSTER}.ipynb`, which publishes no seed: the
graphs are those of `seed` here. Communities have 5 … 34 nodes. Two nodes are joined with probability p
within a community and q between communities; node numbers are random. The type of a node is one-hot, as in
PyG's `GNNBenchmarkDataset`.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch.nn.functional import one_hot
from tqdm import tqdm

from gnnlab.bounds import Count, Natural
from gnnlab.datasets.base import Dataset
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

Array = np.ndarray
Graph = tuple[Array, Array, Array]
"""Adjacency [n, n] of booleans, node types [n], labels [n]."""
Recipe = Callable[[int, int], Graph]
"""(i, count) to graph i of a split of `count` graphs."""

PATTERNS = 100


@dataclass(frozen=True)
class BlockModels(Dataset):
    """Graphs of one recipe, with a number for each split; `seed` decides them all."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected")

    num_train: Count = 10_000
    num_val: Count = 1_000
    num_test: Count = 1_000
    seed: Natural = 0

    @abstractmethod
    def recipe(self, random: np.random.Generator) -> Recipe:
        """How to draw the graphs of every split."""

    def build(self) -> dict[str, Packed]:
        random, spec = np.random.default_rng(self.seed), self.spec()
        recipe, (num_types,) = self.recipe(random), spec.node.sizes
        sizes = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        return {split: pack(recipe, count, num_types, f"{spec.name.upper()} {split}") for split, count in sizes.items()}


@dataclass(frozen=True)
class Pattern(BlockModels):
    """Graphs of 44 … 188 nodes, of which 5 … 34 form one of 100 patterns that recur in all splits.

    Five communities with p = 0.5, q = 0.35 and random types (3). A pattern is a fixed random graph
    (p = 0.5) with fixed types, each node joined to each other node with probability 0.5. Task: which
    nodes are the pattern's; `binary` with one logit (GPS), else two classes (benchmarking-gnns);
    class-weighted loss, metric balanced accuracy. Published: GPS 86.685 ± 0.059, GatedGCN 85.568 ± 0.088.
    """

    num_val: Count = 2_000
    num_test: Count = 2_000
    binary: bool = True

    def spec(self) -> GraphSpec:
        return GraphSpec(
            "pattern",
            level="node",
            target="binary" if self.binary else "multiclass",
            num_targets=1 if self.binary else 2,
            metric="balanced_accuracy",
            node=Feature.continuous(3),
            weighted_loss=True,
        )

    def recipe(self, random: np.random.Generator) -> Recipe:
        patterns = [pattern(random) for _ in range(PATTERNS)]
        return lambda i, count: pattern_graph(random, *patterns[i * PATTERNS // count])

    def build(self) -> dict[str, Packed]:
        splits = super().build()
        if self.binary:
            return {split: packed.with_node(y=packed.node["y"][:, None].float()) for split, packed in splits.items()}
        return splits


@dataclass(frozen=True)
class Cluster(BlockModels):
    """Graphs of 40 … 190 nodes: six communities with p = 0.55, q = 0.25, one labelled node in each.

    Node types: 0, or 1 + the community for the one node of each that is labelled. Task: the community
    of each node, 6 classes; class-weighted loss, metric balanced accuracy.
    Published: GPS 78.016 ± 0.180, GatedGCN 73.840 ± 0.326.
    """

    def spec(self) -> GraphSpec:
        return GraphSpec(
            "cluster",
            level="node",
            target="multiclass",
            num_targets=6,
            metric="balanced_accuracy",
            node=Feature.continuous(7),
            weighted_loss=True,
        )

    def recipe(self, random: np.random.Generator) -> Recipe:
        return lambda _i, _count: cluster_graph(random)


def pattern(random: np.random.Generator) -> tuple[Array, Array]:
    """Adjacency and types of one pattern."""
    size = random.integers(5, 35)
    return symmetric(random, np.full((size, size), 0.5, np.float32)), random.integers(3, size=size)


def pattern_graph(random: np.random.Generator, adjacency: Array, types: Array) -> Graph:
    """Five communities and the given pattern among them."""
    group = communities(random, 5)
    rest = len(group)
    probability = np.full((rest + len(types),) * 2, 0.5, np.float32)
    probability[:rest, :rest] = np.where(group[:, None] == group, 0.5, 0.35)
    joined = symmetric(random, probability)
    joined[rest:, rest:] = adjacency
    order = random.permutation(len(joined))
    types = np.concatenate([random.integers(3, size=rest), types])
    return joined[np.ix_(order, order)], types[order], order >= rest


def cluster_graph(random: np.random.Generator) -> Graph:
    """Six communities, with the type of one node in each giving it away."""
    group = random.permutation(communities(random, 6))
    types = np.zeros(len(group), np.int64)
    for community in range(6):
        types[random.choice(np.flatnonzero(group == community))] = community + 1
    probability = np.where(group[:, None] == group, np.float32(0.55), np.float32(0.25))
    return symmetric(random, probability), types, group


def communities(random: np.random.Generator, count: int) -> Array:
    """The community of each node."""
    return np.repeat(np.arange(count), random.integers(5, 35, size=count))


def symmetric(random: np.random.Generator, probability: Array) -> Array:
    """A random symmetric adjacency without loops, an edge i < j with `probability[i, j]`."""
    upper = np.triu(random.random(probability.shape, np.float32) < probability, 1)
    return upper | upper.T


def pack(recipe: Recipe, count: int, num_types: int, title: str) -> Packed:
    """The graphs i < count of a recipe, packed; with a progress bar if it takes long."""
    edges, types, labels = [], [], []
    for i in tqdm(range(count), title, delay=2, leave=False, disable=None):
        adjacency, node_types, node_labels = recipe(i, count)
        target, source = adjacency.nonzero()
        edges.append(np.stack([source, target]).astype(np.int16))
        types.append(node_types)
        labels.append(node_labels)
    return Packed.from_tensors(
        torch.tensor([len(values) for values in types], dtype=torch.long),
        torch.tensor([values.shape[1] for values in edges], dtype=torch.long),
        torch.from_numpy(np.concatenate(edges, axis=1)),
        node={
            "x": one_hot(torch.from_numpy(np.concatenate(types)), num_types).float(),
            "y": torch.from_numpy(np.concatenate(labels).astype(np.int64)),
        },
    )
