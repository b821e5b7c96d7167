"""SnoH v2: Wang et al., "The Snowflake Hypothesis: Training and Powering GNN with One Node One Receptive Field",
KDD 2024.

Nothing is learnt. What a layer's aggregation does to a node is δ_i^(ℓ) = 1 − cos(h_i, (Â h)_i), with GCN's Â; the node
listens up to the first layer ℓ with δ_i^(ℓ) < ρ δ_i^(1), and no more from there on.

As described in the paper's text: decided in every forward pass from h and Â h, relative to the first layer. The release
trains twice: distances of X W at the best epoch, relative to the layer where their sum first peaks, then fixed edges.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from gnnlab.aggregation.node_depth import NodeDepth, listen
from gnnlab.batch import Batch
from gnnlab.bounds import NonNegative
from gnnlab.nn.conv.gcn import normalised
from gnnlab.nn.gate import Gate
from gnnlab.ops import propagate


class SnowflakeV2(NodeDepth):
    """The first snowflake, by cosine distance (Wang et al. 2024): a node stops where listening no longer changes it.

    `rho`: 0 is the plain backbone. The release's stop_rate (0.01 for GCN of 16 layers; with batch norm 0.2 for 32 and
    0.01 for 64) is not the same threshold.
    """

    def __init__(self, depth: int, rho: NonNegative = 0.1) -> None:
        super().__init__(depth)
        self.rho = rho

    def forward(self, batch: Batch) -> Gate:
        return DepthGate(batch, self.rho)

    def depth(self, model: nn.Module, batch: Batch) -> Tensor:
        gates: list[Any] = []
        handle = self.register_forward_hook(lambda module, args, gate: gates.append(gate))
        model(batch)
        handle.remove()
        return gates[0].depth


class DepthGate:
    """The gate of one forward pass, asked layer after layer; `depth` [N]: of the nodes, as far as it has come."""

    def __init__(self, batch: Batch, rho: float) -> None:
        self.batch, self.rho = batch, rho
        self.depth = torch.zeros(batch.num_nodes, dtype=torch.long, device=batch.ptr.device)

    @torch.no_grad()
    def __call__(self, layer: int, x: Tensor) -> Tensor | None:
        weight, loops = normalised(self.batch, None, x.dtype)
        around = propagate(x, self.batch, edge_weight=weight, root=loops)
        change = (1 - cosine_similarity(x, around, dim=-1)).clamp(min=0)
        if layer == 0:
            self.at_first = change
        listens = (self.depth == layer) & ((layer == 0) | (change >= self.rho * self.at_first))
        self.depth += listens
        return listen(self.batch, self.depth)(layer, x)
