"""RRWP: relative random-walk probabilities of pairs of nodes; as a node encoding, their diagonal.

Ma et al., "Graph Inductive Biases in Transformers without Message Passing" (GRIT), ICML 2023.
With M = D⁻¹A and K = `steps`:

    rrwp[i, j] = (I, M, M², …, M^(K−1))_ij.

Edges are followed as given, and a walk ends at a node without an edge out (see `gnnlab.encodings.rwse`). Node
attribute `rrwp` [N, K], the diagonal. `relative_walks` has all pairs of a batch: what an attention over pairs reads.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.columns import node_pairs
from gnnlab.encodings.linear import LinearEncoder, Norm
from gnnlab.encodings.rwse import RWSE
from gnnlab.packed import Packed


@dataclass(frozen=True)
class RRWP(RWSE):
    """Return probabilities of 0 … `steps` − 1 steps (GRIT, ICML 2023) → [batch norm →] linear, of width `dim`."""

    steps: Annotated[int, Ge(2)] = 21
    dim: Count | None = None
    norm: Norm = "none"

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        later = RWSE(self.steps - 1).precompute(graphs)["rwse"]
        return {"rrwp": torch.cat([torch.ones(graphs.num_nodes, 1), later], 1)}

    def encoder(self, dim: int) -> nn.Module:
        return LinearEncoder("rrwp", self.steps, dim, self.norm)


def relative_walks(batch: Batch, steps: int) -> Tensor:
    """(I, M, …, M^(steps−1))_ij for the P pairs (i, j), in the order of `node_pairs`: [P, steps]."""
    pairs = node_pairs(batch)
    source, target = pairs.edge_index  # from (i, k) to (j, k): a walk from j to k gives one from i to k
    degree = batch.colptr.diff()[pairs.batch[source]].float()
    here = batch.place[pairs.batch] == pairs.node["column"]
    powers = [here.float()]
    for _ in range(steps - 1):
        powers.append(torch.zeros_like(powers[0]).index_add(0, source, powers[-1][target] / degree))
    return torch.stack(powers, 1)
