"""Over-squashing: generated tasks in which one node needs what a distant one knows; it alone counts, by its `mask`."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import one_hot

from gnnlab.bounds import Count, Natural
from gnnlab.datasets.base import Dataset, consecutive
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec


@dataclass(frozen=True)
class TreeNeighboursMatch(Dataset):
    """Tree-NeighborsMatch (Alon & Yahav, ICLR 2021): the root of a binary tree looks up the value of a leaf.

    The L = 2^depth leaves have the keys 1 … L and a permutation of L values; the root has one of the keys, and
    its class is the value of that leaf. Features: key and value, 0 where a node has none. Edges lead to the root;
    without the loops of the release. Trees are distinct: the L keys for each of at most 1,000 permutations, and at most
    `num_trees` in all, so 96, 8,000, 16,000 and 32,000 at depths 2 … 5, as in the release. Split 80/10/10 % (the
    release: 80/20 % of each class). Published: with depth + 1 layers GCN and GIN stop fitting the training trees at
    depth 4, GAT and GGNN at depth 5.
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level",)

    depth: Annotated[int, Ge(2)] = 4
    num_trees: Annotated[int, Ge(10)] = 32_000
    seed: Natural = 0

    def spec(self) -> GraphSpec:
        leaves = 2**self.depth
        node = Feature.categorical(leaves + 1, leaves + 1)
        return GraphSpec("tree_neighbours_match", "node", "multiclass", leaves, "accuracy", node)

    def build(self) -> dict[str, Packed]:
        random, leaves = np.random.default_rng(self.seed), 2**self.depth
        values = permutations(random, leaves, min(1_000, -(-self.num_trees // leaves)))
        order = random.permutation(len(values) * leaves)[: self.num_trees]
        values, key = torch.from_numpy(values[order // leaves]), torch.from_numpy(order % leaves)
        nodes, count = 2 * leaves - 1, len(order)
        x = torch.zeros(count, nodes, 2, dtype=torch.long)
        x[:, 0, 0] = key + 1
        x[:, leaves - 1 :, 0] = torch.arange(leaves) + 1
        x[:, leaves - 1 :, 1] = values + 1
        child = torch.arange(1, nodes)
        trees = copies(torch.stack([child, (child - 1) // 2]), x, values.gather(1, key[:, None])[:, 0])
        return consecutive(trees, (count * 8 // 10, count * 9 // 10, count))


@dataclass(frozen=True)
class RingTransfer(Dataset):
    """Ring transfer (Bodnar et al., NeurIPS 2021; Di Giovanni et al., ICML 2023): one node tells another its class.

    `ring`: node 0 and the node opposite, of n; `crossed`: the same with chords; `lollipop`: node 0 of a clique
    of n/2 nodes, and the far end of a path that hangs on it. The teller's features are its class, one-hot; those of
    node 0 are zeros, all others ones. Every class occurs as often, so that guessing has the accuracy 1 / classes.
    """

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected")

    kind: Literal["ring", "crossed", "lollipop"] = "ring"
    nodes: Annotated[int, Ge(4)] = 10
    classes: Count = 5
    num_train: Count = 5_000
    num_val: Count = 500
    num_test: Count = 500

    def spec(self) -> GraphSpec:
        node = Feature.continuous(self.classes)
        return GraphSpec(f"{self.kind}_transfer", "node", "multiclass", self.classes, "accuracy", node)

    def build(self) -> dict[str, Packed]:
        if self.nodes % 2:
            raise UsageError(f"dataset.nodes={self.nodes} must be an even number.")
        sizes = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        return {split: self._graphs(count) for split, count in sizes.items()}

    def _graphs(self, count: int) -> Packed:
        label = torch.arange(count) % self.classes
        x = torch.ones(count, self.nodes, self.classes)
        x[:, 0] = 0
        teller = self.nodes - 1 if self.kind == "lollipop" else self.nodes // 2
        x[:, teller] = one_hot(label, self.classes).float()
        edges = lollipop(self.nodes) if self.kind == "lollipop" else ring(self.nodes, self.kind == "crossed")
        return copies(torch.cat([edges, edges.flip(0)], dim=1), x, label)


def permutations(random: np.random.Generator, size: int, count: int) -> np.ndarray:
    """At most `count` distinct permutations [count, size] in random order; all there are, where `count` is more."""
    drawn = np.unique(random.random((max(4 * count, 1_000), size)).argsort(1), axis=0)
    return drawn[random.permutation(len(drawn))[:count]]


def ring(nodes: int, crossed: bool) -> Tensor:
    """The edges of a ring, each once; `crossed`: and chords from one way round to the other, i ~ n − i ± 1."""
    pairs = {(i, (i + 1) % nodes) for i in range(nodes)}
    if crossed:
        chords = [(i, nodes + shift - i) for i in range(1, nodes // 2) for shift in (-1, 1)]
        pairs |= {(i, j) for i, j in chords if i < j < nodes}
    return torch.tensor(sorted({(min(pair), max(pair)) for pair in pairs})).T


def lollipop(nodes: int) -> Tensor:
    """The edges, each once, of a clique of the first half of the nodes and a path of the others."""
    half = nodes // 2
    path = torch.arange(half - 1, nodes)
    return torch.cat([torch.combinations(torch.arange(half)).T, torch.stack([path[:-1], path[1:]])], dim=1)


def copies(edges: Tensor, x: Tensor, label: Tensor) -> Packed:
    """One graph of the same `edges` [2, m] for each x [G, n, …]; node 0 of each has the `label` [G] and the mask."""
    count, nodes = x.shape[:2]
    y, mask = torch.zeros(count, nodes, dtype=torch.long), torch.zeros(count, nodes, dtype=torch.bool)
    y[:, 0], mask[:, 0] = label, True
    return Packed.from_tensors(
        torch.full((count,), nodes),
        torch.full((count,), edges.shape[1]),
        edges.repeat(1, count),
        node={"x": x.flatten(0, 1), "y": y.flatten(), "mask": mask.flatten()},
    )
