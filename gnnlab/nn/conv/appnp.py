"""APPNP: Gasteiger et al., "Predict then Propagate: Graph Neural Networks Meet Personalized PageRank", ICLR 2019."""

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.bounds import Count, Probability
from gnnlab.nn.conv.base import Conv
from gnnlab.nn.conv.gcn import normalised
from gnnlab.ops import propagate
from gnnlab.ops.linear import Linear


class APPNP(Conv):
    """APPNP (Gasteiger et al. 2019): `steps` steps of personalised PageRank, of a linear map of the nodes.

    z⁰ = W x + b, z^{k+1} = (1 - α) Â z^k + α z⁰, x' = z^K with K = `steps` and GCN's Â: self-loops included, edge
    weights in it. The paper's network has one such layer, of the class scores that a perceptron gives in place of
    W x + b, and only softmax after it; here the block and the head's map come after it.
    """

    def __init__(self, dim: int, steps: Count = 10, alpha: Probability = 0.1) -> None:
        super().__init__()
        self.steps, self.alpha = steps, alpha
        self.linear = Linear(dim, dim)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        weight, root = normalised(batch, edge_weight, x.dtype)
        start = z = self.linear(x)
        for _ in range(self.steps):
            z = (1 - self.alpha) * propagate(z, batch, edge_weight=weight, root=root) + self.alpha * start
        return z, e
