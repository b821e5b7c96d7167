"""HeteroSnoH: Wang et al., "The Heterophilic Snowflake Hypothesis: Training and Empowering GNNs for Heterophilic
Graphs", KDD 2024.

Three stages, two of them trainings. 1, phase "proxy": a predictor of labels from the features alone weighs the edges,
for all layers alike (`gnnlab.aggregation.proxy`), and is trained with the backbone by the task's loss. 2, `find`, no
training: from its weights of the best validation follows how deep each node listens (`gnnlab.aggregation.hop_scores`).
3, phase "gated": the backbone is trained from its initial weights with these depths, layer ℓ (from 0) hearing the edges
into nodes of depth above ℓ.
"""

from copy import deepcopy

import torch
from torch import Tensor

from gnnlab.aggregation.hop_scores import depths
from gnnlab.aggregation.proxy import LabelProxy
from gnnlab.aggregation.two_stage import TwoStage
from gnnlab.batch import Batch
from gnnlab.bounds import Count, NonNegative
from gnnlab.nn.gate import Gate
from gnnlab.spec import GraphSpec


class Snowflake(TwoStage):
    """The heterophilic snowflake (Wang et al. 2024): each node a depth of its own, from predicted labels.

    `beta`: a node listens as deep as the last hop whose score is above it; 0 is the plain backbone. Scores fall as
    one over the nodes within reach, so 0.005 ends where some 200 of them are. `stage1_epochs` of the predictor, null
    for as many as the gated training has. An edge that is not heard is gone for a conv's normalisation too, where the
    release divides by the degrees of the whole graph. `as_released`: element-wise powers in the place of powers, edges
    heard by the depth of their source, and two layers at least.
    """

    first_phase = "proxy"

    def __init__(
        self,
        spec: GraphSpec,
        depth: int,
        beta: NonNegative = 5e-3,
        stage1_epochs: Count | None = None,
        as_released: bool = False,
    ) -> None:
        super().__init__(depth, stage1_epochs)
        self.beta, self.as_released = beta, as_released
        self.end = "source" if as_released else "destination"
        self.proxy = LabelProxy(spec)

    def explore(self, batch: Batch) -> Gate:
        weight = self.proxy(batch)
        return lambda layer, x: weight.to(x.dtype)

    @torch.no_grad()
    def find(self, batch: Batch) -> Tensor:
        weight = deepcopy(self.proxy).cpu()(batch)
        return depths(batch, weight, self.beta, self.layers, self.as_released)
