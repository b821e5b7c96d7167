"""Soft edge weights from predicted labels: the first stage of the heterophilic snowflake (Wang et al., KDD 2024)."""

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.nn.embedding import FeatureEmbedding
from gnnlab.nn.mlp import MLP
from gnnlab.spec import GraphSpec

HIDDEN = (512, 64)
SPREAD = 0.01


class LabelProxy(nn.Module):
    """Node features to edge weights [E]: z = MLP(x), and for an edge from j to i  w = Σ_{c,d} z_i[c] P[d, c] z_j[d].

    P = ReLU(2 `pattern`), all ones at first, says which classes fit together. Logits are not normalised, and no label
    but the task's own ever trains them.
    """

    def __init__(self, spec: GraphSpec) -> None:
        super().__init__()
        classes = max(2, spec.num_targets)
        self.features = FeatureEmbedding(spec.node, HIDDEN[0])
        self.mlp = MLP(*HIDDEN, classes)
        self.pattern = nn.Parameter(torch.full((classes, classes), 0.5))

    def forward(self, batch: Batch) -> Tensor:
        """[E], standardised in every graph; in full precision, as they differ by little.

        The rare negative ones, which take a graph of over 10,000 edges, become 0.
        """
        with torch.autocast(batch.ptr.device.type, enabled=False):
            z = self.mlp(self.features.of_nodes(batch).relu())
            source, target = batch.edge_index
            fit = (z.index_select(0, target) * (z @ (2 * self.pattern).relu()).index_select(0, source)).sum(-1)
            return standardised(fit, batch.batch.index_select(0, target), batch.num_graphs).relu()


def standardised(value: Tensor, owner: Tensor, count: int) -> Tensor:
    """[E] with mean 1 and standard deviation `SPREAD` among the rows of each of `count` owners [E].

    Rows of an owner that are all alike, up to rounding, become 1.
    """
    wide = value.double()

    def mean(rows: Tensor) -> Tensor:
        return rows.new_zeros(count).index_add(0, owner, rows) / size

    size = torch.bincount(owner, minlength=count).clamp(min=1)
    centred = wide - mean(wide).index_select(0, owner)
    variance = mean(centred.square())
    alike = variance <= 1e-10 * mean(wide.detach().square())
    scale = torch.where(alike, 0.0, SPREAD * torch.where(alike, 1.0, variance).rsqrt())
    return (1 + centred * scale.index_select(0, owner)).to(value.dtype)
