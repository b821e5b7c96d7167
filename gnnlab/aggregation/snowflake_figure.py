"""The figure that explains a snowflake: how deep nodes listen, which edges that leaves, and two nodes' surroundings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import matplotlib
import networkx as nx
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from gnnlab.aggregation.homophily import classes
from gnnlab.batch import Batch
from gnnlab.results.style import COLORS, INK, LOOK, save

End = Literal["source", "destination"]
"""The node of an edge whose depth decides on it."""
UNHEARD = "#d0d3d8"
MOST = 60
"""Nodes of a drawn neighbourhood."""


def draw(batch: Batch, depth: Tensor, found: Mapping[str, Any], path: Path, end: End = "destination") -> None:
    """Write the figure of depths [N] with the numbers of `gnnlab.aggregation.node_depth.statistics`."""
    nodes = examples(batch, depth)
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(3.6 * (2 + len(nodes)), 3.2), layout="constrained")
        axes = figure.subplots(1, 2 + len(nodes), squeeze=False)[0]
        draw_histogram(axes[0], found["depth_histogram"])
        draw_edges(axes[1], found)
        for ax, node in zip(axes[2:], nodes, strict=True):
            draw_neighbourhood(ax, batch, depth, node, end)
    save(figure, path)


def draw_histogram(ax: Axes, histogram: list[int]) -> None:
    layers = range(1, len(histogram) + 1)
    ax.bar(layers, histogram, color=COLORS[0])
    ax.set(xlabel="layers in which a node listens", ylabel="nodes with neighbours", title="Receptive fields")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_edges(ax: Axes, found: Mapping[str, Any]) -> None:
    """The share of the edges that each layer hears, against their homophily where nodes have classes."""
    shares, homophily = found["edges_kept_per_layer"], found["homophily_per_layer"]
    layers = range(1, len(shares) + 1)
    if found["homophily"] is None:
        ax.plot(layers, shares, color=COLORS[0], marker="o", markersize=4)
        ax.set(xlabel="layer", ylabel="edges heard", ylim=(0, 1.05), title="Edges")
        return
    known = [point for point in zip(shares, homophily, layers, strict=True) if point[1] is not None]
    ax.axhline(found["homophily"], color=INK, linewidth=0.8, linestyle="--")
    ax.annotate("all edges", (0.01, found["homophily"]), (0, 3), textcoords="offset points", fontsize=8)
    ax.plot([share for share, _, _ in known], [same for _, same, _ in known], color=COLORS[0], marker="o", markersize=4)
    named = 2.0
    for share, same, layer in known:
        if share < named - 0.04:
            ax.annotate(f"{layer}", (share, same), (4, 4), textcoords="offset points", fontsize=8)
            named = share
    lowest, highest = min(same for _, same, _ in known), max(same for _, same, _ in known)
    ax.set(xlabel="share of the edges that a layer hears", ylabel="homophily of these", title="Edges of layers 1, 2, …")
    ax.set(xlim=(0, 1.08), ylim=(max(0, lowest - 0.05), min(1.02, highest + 0.05)))


def draw_neighbourhood(ax: Axes, batch: Batch, depth: Tensor, node: int, end: End) -> None:
    """The nodes around one, filled with the colour of their class where it hears of them, and the edges it hears by."""
    heard, edges = field(batch, depth, node, end)
    around = ball(batch, node, min(int(depth[node]) + 1, 4))
    source, target = batch.edge_index
    index = {int(one): place for place, one in enumerate(around)}
    graph = nx.Graph()
    graph.add_nodes_from(index)
    inside = torch.isin(source, around) & torch.isin(target, around) & (source != target)
    graph.add_edges_from(batch.edge_index[:, inside].T.tolist())
    place = nx.spring_layout(graph, seed=0, iterations=100, k=1.6 / max(1, len(index)) ** 0.5)
    lines = {frozenset(edge) for edge in batch.edge_index[:, edges].T.tolist()}
    for kind, colour, width in ((False, UNHEARD, 0.6), (True, INK, 1.0)):
        chosen = [edge for edge in graph.edges if (frozenset(edge) in lines) is kind]
        nx.draw_networkx_edges(graph, place, chosen, ax=ax, edge_color=colour, width=width)
    y = classes(batch)
    for is_heard in (False, True):
        chosen = [one for one in index if bool(heard[one]) is is_heard]
        shade = [COLORS[0 if y is None else int(y[one]) % len(COLORS)] for one in chosen]
        nx.draw_networkx_nodes(
            graph,
            place,
            chosen,
            ax=ax,
            node_size=[150 if one == node else 45 if is_heard else 20 for one in chosen],
            node_color=shade if is_heard else UNHEARD,
            edgecolors=[INK if one == node else "white" for one in chosen],
            linewidths=[2.0 if one == node else 0.5 for one in chosen],
        )
    ax.set_title(f"Node {node} listens in {int(depth[node])} layer{'s' * (int(depth[node]) > 1)}")
    ax.axis("off")


def examples(batch: Batch, depth: Tensor) -> list[int]:
    """A node of the least and one of the greatest depth, whose surroundings can be drawn; fewer where there is none."""
    source, target = batch.edge_index
    listens = torch.zeros(batch.num_nodes, dtype=torch.bool).index_fill(0, target[source != target], True)
    if not listens.any():
        return []
    chosen = []
    for wanted in sorted({int(depth[listens].min()), int(depth[listens].max())}):
        candidates = ((depth == wanted) & listens).nonzero()[:, 0][:64].tolist()
        sizes = [len(ball(batch, node, min(wanted + 1, 4))) for node in candidates]
        chosen.append(min(zip(candidates, sizes, strict=True), key=lambda one: abs(one[1] - MOST / 2))[0])
    return chosen


def field(batch: Batch, depth: Tensor, node: int, end: End = "destination") -> tuple[Tensor, Tensor]:
    """[N], [E] bool: the nodes whose features a node's last state depends on, itself among them, and by which edges."""
    source, target = batch.edge_index
    last = depth[target if end == "destination" else source]
    heard = torch.zeros(batch.num_nodes, dtype=torch.bool)
    heard[node] = True
    edges = torch.zeros(batch.num_edges, dtype=torch.bool)
    for layer in reversed(range(int(depth.max()))):
        used = heard[target] & (last > layer)
        edges |= used
        heard = heard.index_fill(0, source[used], True)
    return heard, edges


def ball(batch: Batch, node: int, hops: int) -> Tensor:
    """The nodes within `hops` steps against the edges, the nearest `MOST` of them, `node` first."""
    found, ring = torch.tensor([node]), torch.tensor([node])
    source, target = batch.edge_index
    for _ in range(hops):
        new = source[torch.isin(target, ring)].unique()
        ring = new[~torch.isin(new, found)]
        found = torch.cat([found, ring])[:MOST]
        if not len(ring) or len(found) == MOST:
            break
    return found
