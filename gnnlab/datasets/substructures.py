"""Generated tasks of counting and finding substructures, which tell apart what networks can express."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import networkx as nx
import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from gnnlab.bounds import Count, Natural
from gnnlab.datasets.base import Dataset, consecutive
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import GraphSpec

REGULAR = ((10, 6), (15, 6), (20, 5), (30, 5))
"""Nodes and degree."""
Pattern = Literal["triangle", "tailed_triangle", "star", "four_cycle"]


@dataclass(frozen=True)
class CountSubstructures(Dataset):
    """How often a small pattern occurs in a graph, not only as an induced one (Chen et al., NeurIPS 2020).

    Random regular graphs (10 nodes of degree 6, 15 of 6, 20 of 5, 30 of 5) from which as many edges as nodes are
    taken; 30/20/50 % to train, validate and test. Task: the number of triangles, triangles with a tail, stars of
    three rays, or cycles of four, divided by its standard deviation; metric MAE. No features. Published, on
    graphs of the same kind (Zhao et al., ICLR 2022): GIN 0.357, 0.237, 0.022, 0.219; GIN-AK+ 0.012, 0.011, 0.015,
    0.013.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "undirected")

    pattern: Pattern = "triangle"
    num_graphs: Annotated[int, Ge(10)] = 5_000
    seed: Natural = 0

    def spec(self) -> GraphSpec:
        return GraphSpec(f"count_{self.pattern}", "graph", "regression", 1, "mae")

    def build(self) -> dict[str, Packed]:
        random = np.random.default_rng(self.seed)
        adjacency = torch.zeros(self.num_graphs, 30, 30)
        sizes = []
        for matrix in adjacency:
            nodes, edges = thinned_regular(random)
            sizes.append(nodes)
            matrix[edges[0], edges[1]] = 1
        adjacency = adjacency + adjacency.mT
        number = count(adjacency.double(), self.pattern)
        graph, target, source = adjacency.nonzero().T
        graphs = Packed.from_tensors(
            torch.tensor(sizes),
            torch.bincount(graph, minlength=self.num_graphs),
            torch.stack([source, target]),
            graph={"y": (number / number.std())[:, None].float()},
        )
        return consecutive(graphs, (self.num_graphs * 3 // 10, self.num_graphs * 5 // 10, self.num_graphs))


@dataclass(frozen=True)
class Cycles(Dataset):
    """Whether the one cycle of a graph has a given length, after CYCLES (Loukas, ICLR 2020; Dwivedi et al. 2023).

    A cycle of `length` nodes, or for every other graph of any other length from 3 to twice that; all further nodes
    join a random earlier one, so that both classes have n nodes and n edges. No features; metric accuracy. The
    recipe is our own: published numbers are of other graphs.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "undirected")

    length: Annotated[int, Ge(3)] = 6
    nodes: Count = 56
    num_train: Count = 9_000
    num_val: Count = 1_000
    num_test: Count = 10_000
    seed: Natural = 0

    def spec(self) -> GraphSpec:
        return GraphSpec("cycles", "graph", "binary", 1, "accuracy")

    def build(self) -> dict[str, Packed]:
        if self.length > self.nodes // 2:
            raise UsageError(f"dataset.length={self.length} for dataset.nodes={self.nodes}: at most half of the nodes.")
        random = np.random.default_rng(self.seed)
        sizes = {"train": self.num_train, "val": self.num_val, "test": self.num_test}
        return {split: self._graphs(random, count) for split, count in sizes.items()}

    def _graphs(self, random: np.random.Generator, count: int) -> Packed:
        """`count` graphs, the even ones with the cycle that is asked for."""
        node = np.arange(self.nodes)
        others = [length for length in range(3, 2 * self.length + 1) if length != self.length]
        length = np.where(np.arange(count) % 2, random.choice(others, count), self.length)[:, None]
        earlier = (random.random((count, self.nodes)) * node).astype(np.int64)
        partner = np.where(node < length, (node + 1) % length, earlier)
        ends = torch.from_numpy(np.stack([np.broadcast_to(node, partner.shape), partner]))
        number = torch.from_numpy(random.random((count, self.nodes)).argsort(1))
        ends = torch.stack([number.gather(1, end) for end in ends])
        return Packed.from_tensors(
            torch.full((count,), self.nodes),
            torch.full((count,), 2 * self.nodes),
            torch.cat([ends, ends.flip(0)], dim=2).flatten(1),
            graph={"y": (1.0 - torch.arange(count) % 2)[:, None]},
        )


def thinned_regular(random: np.random.Generator) -> tuple[int, np.ndarray]:
    """Nodes n and edges [2, m], each once, of a random regular graph less n edges."""
    nodes, degree = REGULAR[random.integers(len(REGULAR))]
    edges = np.array(nx.random_regular_graph(degree, nodes, seed=int(random.integers(2**31))).edges)
    return nodes, edges[random.permutation(len(edges))[nodes:]].T


def count(adjacency: Tensor, pattern: Pattern) -> Tensor:
    """How often the pattern occurs in each graph, from adjacency matrices [G, n, n] of 0 and 1."""
    degree = adjacency.sum(-1)
    square = adjacency @ adjacency
    triangles = (square * adjacency).sum(-1) / 2  # [G, n]: those at each node
    if pattern == "triangle":
        return triangles.sum(-1) / 3
    if pattern == "tailed_triangle":
        return (triangles * (degree - 2)).sum(-1)
    if pattern == "star":
        return (degree * (degree - 1) * (degree - 2)).sum(-1) / 6
    return (square.square().sum((-1, -2)) - 2 * degree.square().sum(-1) + degree.sum(-1)) / 8
