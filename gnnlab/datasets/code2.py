"""ogbg-code2 of the Open Graph Benchmark (Hu et al., NeurIPS 2020): name a Python function by its syntax tree.

Features, edges and vocabulary are those of OGB's own baselines. An edge of the tree goes from parent to child in the
raw files; a token is an attributed node, and the nodes come in the order of the text.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from gnnlab.datasets.ogb import OGB, table, with_reverses
from gnnlab.packed import Packed
from gnnlab.ragged import repeat
from gnnlab.spec import Feature, GraphSpec

TYPES, ATTRIBUTES, DEEPEST = 98, 10_030, 20
"""Kinds of nodes, names and values that they carry, and the depth from which on all count as one."""
WORDS, LENGTH = 5_000, 5
UNKNOWN, END = WORDS, WORDS + 1


@dataclass(frozen=True)
class Code2(OGB):
    """Python functions as syntax trees, whose names are to be found: ogbg-code2 (Hu et al., NeurIPS 2020).

    452,741 trees of some 125 nodes, split by project 407,976/22,817/21,948. Features of a node: its type, what it
    carries, its depth. Edges: of the tree, and from each token to the next, in both directions; their two features say
    which (0, 1) and whether it is the reverse one (0, 1). Task: the first five words of the name, of the 5,000 most
    frequent ones of the training split, one for all others and one for the end; metric F1 of the words of a name,
    whatever their order, mean over the names. In the cache some 10 GB; to
    prepare them takes several times as much memory.
    """

    gives: ClassVar[tuple[str, ...]] = ("graph_level", "edge_attr", "undirected")

    def spec(self) -> GraphSpec:
        node, edge = Feature.categorical(TYPES, ATTRIBUTES, DEEPEST + 1), Feature.continuous(2)
        return GraphSpec("ogbg_code2", "graph", "sequence", WORDS + 2, "subtoken_f1", node, edge, length=LENGTH)

    def place(self) -> tuple[str, str, str]:
        return "ogbg_code2", "project", "graphproppred/code2"

    def tables(self) -> tuple[str, ...]:
        return "edge", "node-feat", "node_depth", "node_is_attributed", "num-node-list", "num-edge-list", "graph-label"

    def read(self, root: Path) -> dict[str, Packed]:
        edges, x, depth, token, num_nodes, num_edges = (table(root / "raw" / name) for name in self.tables()[:-1])
        edge_index, edge_attr, counts = with_next_tokens(edges, token[:, 0] == 1, num_nodes[:, 0], num_edges[:, 0])
        splits, texts = self.split(root), names(root / "raw" / "graph-label")
        y, words = numbered(texts, splits["train"].tolist())
        graphs = Packed.from_tensors(
            num_nodes[:, 0],
            counts,
            edge_index,
            node={"x": torch.cat([x, depth.clamp(max=DEEPEST)], dim=1)},
            edge={"edge_attr": edge_attr},
            graph={"y": y, "words": words},
        )
        return {split: graphs.take(chosen) for split, chosen in splits.items()}


def with_next_tokens(edges: Tensor, token: Tensor, nodes: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Edges [m, 2] of trees, `counts` [G] of each, and `token` [N] bool to edge_index [2, E], edge_attr [E, 2], counts.

    Graph after graph, an edge and then its reverse.
    """
    owner = repeat(torch.arange(len(nodes)), nodes)
    place = torch.arange(len(token)) - repeat(nodes.cumsum(0) - nodes, nodes)
    tokens = token.nonzero()[:, 0]
    before, after = tokens[:-1], tokens[1:]
    same = owner[before] == owner[after]
    following = torch.stack([place[before[same]], place[after[same]]], dim=1)
    graph, order = torch.cat([repeat(torch.arange(len(nodes)), counts), owner[before[same]]]).sort(stable=True)
    both = with_reverses(torch.cat([edges, following])[order])
    kind = (order >= len(edges)).float().repeat_interleave(2)
    reverse = torch.tensor([0.0, 1.0]).repeat(len(order))
    return both, torch.stack([kind, reverse], dim=1), 2 * torch.bincount(graph, minlength=len(nodes))


def names(path: Path) -> list[list[str]]:
    """The words of each name, as OGB reads them. `path` has no `.csv.gz`."""
    import pandas as pd

    column = pd.read_csv(path.with_name(f"{path.name}.csv.gz"), header=None)[0]
    return [str(name).split(" ") for name in column]  # one that pandas takes for missing is "nan"


def numbered(texts: list[list[str]], train: Iterable[int]) -> tuple[Tensor, Tensor]:
    """The target [G, LENGTH] of each name, and all its words once [G, …], filled up with −1.

    The most frequent of `train` come first, of equals the one that is met first; those with no place among the WORDS
    have numbers above END, which nothing predicts.
    """
    frequent = Counter(chain.from_iterable(texts[graph] for graph in train)).most_common(WORDS)
    number = {word: index for index, (word, _) in enumerate(frequent)}
    for word in chain.from_iterable(texts):
        number.setdefault(word, END + 1 + len(number))
    ids = [[number[word] for word in name] for name in texts]
    y = torch.tensor([[min(i, UNKNOWN) for i in name[:LENGTH]] + [END] * (LENGTH - len(name)) for name in ids])
    distinct = [list(dict.fromkeys(name)) for name in ids]
    longest = max(map(len, distinct), default=0)
    return y, torch.tensor([name + [-1] * (longest - len(name)) for name in distinct])
