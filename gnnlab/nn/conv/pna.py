"""PNA: Corso et al., "Principal Neighbourhood Aggregation for Graph Nets", NeurIPS 2020.

Shapes: T towers of c = dim / T channels; messages [E, T c]; the four aggregates of a node [N, 4, T, c].
"""

import math

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.errors import UsageError
from gnnlab.nn.conv.base import Conv
from gnnlab.ops import aggregate, degree, multi_aggregate
from gnnlab.ops.linear import Linear
from gnnlab.ops.multi_aggregate import EPSILON
from gnnlab.ops.segment import reference as segment_reduce
from gnnlab.spec import GraphSpec


class PNA(Conv):
    """PNA (Corso et al. 2020): mean, minimum, maximum and deviation of messages, scaled by the degree; reads edges.

    m_ij = P [x_i ‖ x_j ‖ e_ij] + p, a_i = the four aggregates of m_ij over j, s_i = log(d_i + 1) / δ, and
    x_i' = M (U [x_i ‖ a_i ‖ s_i a_i ‖ a_i / s_i] + u) + b; P and U tower by tower, each tower with its share of x and
    all of e. δ is the mean of log(d + 1) over the training nodes, 1 where `spec` does not know their degrees. An
    edge of weight w counts as w copies in the mean, the deviation and the degree; minimum and maximum are over edges of
    weight above 0. In code: P = `target` | `source` | `edge`, with p, U = `own` | `around`, u `bias`, M, b `mix`.
    """

    uses_edges = True

    def __init__(self, dim: int, spec: GraphSpec, towers: Count = 1) -> None:
        super().__init__()
        if dim % towers:
            raise UsageError(
                f"model.hidden_dim={dim} is not a multiple of model.conv.towers={towers}; change one of them."
            )
        self.delta = mean_log_degree(spec.in_degrees)
        width = dim // towers
        self.target, self.source = (Towers(towers, width, width, fan_in=2 * width + dim) for _ in range(2))
        self.edge = Linear(dim, dim)
        for part in self.edge.parameters():  # with `target` and `source` one map of the release
            nn.init.uniform_(part, -((2 * width + dim) ** -0.5), (2 * width + dim) ** -0.5)
        self.own = Towers(towers, width, width, fan_in=13 * width)
        self.around = Towers(towers, 4 * width, 3 * width, fan_in=13 * width)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.mix = Linear(dim, dim)

    def forward(
        self, x: Tensor, e: Tensor | None, batch: Batch, edge_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert e is not None
        messages = self.edge(e)
        messages = messages + self.source(x).index_select(0, batch.edges.source)
        messages = messages + self.target(x).index_select(0, batch.edges.target)
        four = multi_aggregate(messages, batch) if edge_weight is None else weighted(messages, batch, edge_weight)
        scales = self.scales(degree(batch, "in", edge_weight).to(x.dtype))
        by_tower = four.unflatten(-1, (4, self.around.count, -1)).transpose(1, 2).flatten(1)
        # U's parts for a, s a and a / s read the same a, and s_i is a number: it scales what they give.
        scaled = self.around(by_tower).unflatten(-1, (self.around.count, 3, -1)) * scales[:, None, :, None]
        return self.mix(self.own(x) + scaled.sum(2).flatten(1) + self.bias), e

    def scales(self, degrees: Tensor) -> Tensor:
        """[N] to [N, 3]: 1, s and 1 / s, the last 0 for a node without neighbours."""
        log = (degrees + 1).log() / self.delta
        return torch.stack([torch.ones_like(log), log, torch.where(log > 0, log, torch.inf).reciprocal()], dim=-1)


class Towers(nn.Module):
    """`count` linear maps side by side, each of its own columns: [N, count · inside] to [N, count · outside].

    Weights are drawn as those of a linear map of `fan_in` inputs, of which this one reads a part.
    """

    def __init__(self, count: int, inside: int, outside: int, fan_in: int) -> None:
        super().__init__()
        self.count = count
        self.weight = nn.Parameter(torch.empty(count, inside, outside))
        nn.init.uniform_(self.weight, -(fan_in**-0.5), fan_in**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nti,tio->nto", x.unflatten(-1, (self.count, -1)), self.weight).flatten(1)


def mean_log_degree(in_degrees: tuple[int, ...]) -> float:
    """The mean of log(d + 1) over nodes of which in_degrees[d] have in-degree d; 1 where it would be 0."""
    logs = sum(count * math.log(d + 1) for d, count in enumerate(in_degrees))
    return logs / sum(in_degrees) if logs else 1.0


def weighted(messages: Tensor, batch: Batch, edge_weight: Tensor) -> Tensor:
    """`multi_aggregate` of messages that count `edge_weight` [E] times: [N, 4 d]."""
    rowptr, target = batch.edges.rowptr, batch.edges.target
    there = (edge_weight > 0).unsqueeze(-1)
    total = degree(batch, "in", edge_weight).unsqueeze(-1)
    received, total = total > 0, torch.where(total > 0, total, 1.0).to(messages.dtype)
    mean = aggregate(messages, batch, edge_weight) / total
    square = aggregate((messages - mean.index_select(0, target)).square(), batch, edge_weight) / total
    low = segment_reduce(torch.where(there, messages, torch.inf), None, rowptr, target, "min")
    high = segment_reduce(torch.where(there, messages, -torch.inf), None, rowptr, target, "max")
    four = [mean, *(torch.where(received, extreme, 0.0) for extreme in (low, high)), (square + EPSILON).sqrt()]
    return torch.cat(four, dim=-1) * received
