"""What a transformer costs with fewer tokens, heads and layers.

FLOPs are those of products (2 for a multiply-add), of single graphs one after the other, so that nothing is padded:

    F(r, h, ℓ) = F_rest + ℓ (F_other + F_attention(max(1, ⌈r n⌉), h) + 2 n d [r < 1])

with r the share of tokens, h the heads of a layer and ℓ the layers. F_attention is the parts' own (`MultiHead.flops`;
8 n d² + 4 n² d with all heads of softmax attention), F_other and F_rest are counted as the dense model runs.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gnnlab.errors import UsageError
from gnnlab.nn.multi_head import MultiHead
from gnnlab.ops.flops import as_counted, flop_counter
from gnnlab.packed import Packed
from gnnlab.sparsifiers.gtsp.select import counts

SAMPLED = 16
"""Graphs of a split whose FLOPs are counted."""


class Plan(NamedTuple):
    """The share of each graph's tokens, the heads of every layer, and the layers that stay."""

    tokens: float
    heads: int
    layers: int


@dataclass(frozen=True)
class Costs:
    """Of `layers` layers with attention like `site`: FLOPs of all sampled graphs together, as the equation has them.

    `nodes`, `edges` [G]: of the graphs as attention sees them.
    """

    site: MultiHead
    layers: int
    nodes: Tensor
    edges: Tensor
    other: float
    rest: float

    def of(self, plan: Plan) -> float:
        """FLOPs of the compacted model."""
        nodes = counts(self.nodes, plan.tokens)
        scores = 2 * self.site.dim * float(self.nodes.sum()) if plan.tokens < 1 else 0.0
        attention = float(self.site.flops(nodes, self.edges, plan.heads).sum())
        return self.rest + plan.layers * (self.other + attention + scores)

    @property
    def dense(self) -> float:
        return self.of(Plan(1.0, self.site.num_heads, self.layers))


def sites(model: nn.Module) -> list[MultiHead]:
    """The attention of each layer. Raises `UsageError` where a layer has none."""
    layers = getattr(model, "layers", ())
    found = [next((part for part in layer.modules() if isinstance(part, MultiHead)), None) for layer in layers]
    if not found or None in found:
        raise UsageError(
            f"sparsifier=gtsp takes tokens, heads and layers away from attention, of which {type(model).__name__} has "
            "none that it knows: choose model=gps with model/mixer=attention, model=graph_transformer or graphormer."
        )
    return [site for site in found if site is not None]


def measure(model: nn.Module, graphs: Packed) -> Costs:
    """Run the dense `model` over each of `graphs` and see what its layers cost."""
    found, layers = sites(model), list(model.get_submodule("layers").children())
    inside, shapes = [0.0], []

    def before(module: nn.Module, args: tuple) -> None:
        inside[0] -= counter.get_total_flops()

    def after(module: nn.Module, args: tuple, out: object) -> None:
        inside[0] += counter.get_total_flops()

    def seen(module: nn.Module, args: tuple) -> None:
        batch = next(arg for arg in args if hasattr(arg, "ptr"))
        shapes.append((batch.num_nodes, batch.num_edges))

    handles = [layer.register_forward_pre_hook(before) for layer in layers]
    handles += [layer.register_forward_hook(after) for layer in layers]
    handles.append(found[0].register_forward_pre_hook(seen))
    with flop_counter() as counter:
        total = _run(model, graphs, counter)
    for handle in handles:
        handle.remove()
    nodes, edges = torch.tensor(shapes).unbind(1)
    attention = float(found[0].flops(nodes, edges, found[0].num_heads).sum())
    depth = len(layers)
    return Costs(found[0], depth, nodes, edges, inside[0] / depth - attention, total - inside[0])


def counted(model: nn.Module, graphs: Packed) -> float:
    """FLOPs of `model` over each of `graphs`, all together."""
    with flop_counter() as counter:
        return _run(model, graphs, counter)


def _run(model: nn.Module, graphs: Packed, counter: FlopCounterMode) -> float:
    device = next(model.parameters()).device
    with as_counted(model):
        for index in range(graphs.num_graphs):
            model(graphs.batch(index, index + 1).to(device))
    return float(counter.get_total_flops())


def sample(graphs: Packed) -> Packed:
    """At most `SAMPLED` graphs, evenly spread."""
    count = min(SAMPLED, graphs.num_graphs)
    return graphs.take(torch.arange(count) * graphs.num_graphs // count)
