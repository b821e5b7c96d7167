"""From raw features and positional encodings to the model's width.

Shapes: categorical features [N, columns] integers, continuous ones [N, dim] floats; out [N, hidden].
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings.base import Encoding
from gnnlab.errors import UsageError
from gnnlab.ops import backend, concat, embed
from gnnlab.ops import dropout as dropped
from gnnlab.ops.linear import Linear
from gnnlab.ops.recorded.tape import decided_by_values
from gnnlab.ops.sparse_linear import sparse, sparse_linear
from gnnlab.spec import Feature, GraphSpec

Merge = Literal["concat", "add"]


class Tables(nn.Embedding):
    """A table for each column, one below the other."""

    def forward(self, input: Tensor, first: Tensor) -> Tensor:
        """[N, d]: the sum of a row of each, of which column c's begin at row `first[c]`."""
        return embed(input, self.weight, first)


class FeatureEmbedding(nn.Module):
    """One feature to width `dim`.

    Categorical columns: one table each, summed (OGB's AtomEncoder; a single column is ZINC's). Continuous:
    a linear map. None: one learned vector for all rows, at first N(0, 1) (GraphGPS), or with `bias` two,
    as benchmarking-gnns' linear map of a constant 1 has.
    """

    first: Tensor

    def __init__(self, feature: Feature, dim: int, bias: bool = False) -> None:
        super().__init__()
        self.kind, self.sizes = feature.kind, feature.sizes
        if feature.kind == "continuous":
            self.linear = Linear(feature.sizes[0], dim)
        elif feature.kind == "categorical":
            self.table = Tables(sum(feature.sizes), dim)
            first = torch.tensor((0, *feature.sizes[:-1])).cumsum(0)
            self.register_buffer("first", first, persistent=False)
            if len(feature.sizes) > 1:
                self.reset_tables()
        else:
            self.linear = Linear(1, dim, bias=bias)
            if not bias:
                nn.init.normal_(self.linear.weight)

    def reset_tables(self) -> None:
        """Let the tables begin as OGB's encoders do, one for a single column too."""
        if self.kind == "categorical":
            for rows in self.table.weight.split(self.sizes):
                nn.init.xavier_uniform_(rows.data)

    def forward(self, value: Tensor | None, rows: int) -> Tensor:
        """`value` [rows, …], or None where the data has no such feature."""
        if self.kind == "categorical":
            assert value is not None
            return self.table(value, self.first)
        if self.kind == "none":
            value = self.linear.weight.new_ones(rows, 1)
        return self.linear(value)

    def of_nodes(self, batch: Batch, dropout: float = 0.0) -> Tensor:
        """Of a batch's node features, continuous ones with dropout; by their entries where most are zeros."""
        if self.kind == "continuous" and backend.mode() != "reference" and not torch.compiler.is_compiling():
            decided_by_values()
            entries = batch.once("sparse x", lambda batch: sparse(batch.x))
            if entries is not None:
                return sparse_linear(entries, self.linear.weight, self.linear.bias, dropout)
        return self(dropped(batch.x, dropout) if batch.x is not None else None, batch.num_nodes)


def edge_embedding(feature: Feature, dim: int, layers: Iterable[Any], bias: bool = False) -> FeatureEmbedding | None:
    """Of edge features, where one of the layers `uses_edges`."""
    return FeatureEmbedding(feature, dim, bias) if any(layer.uses_edges for layer in layers) else None


class NodeEmbedding(nn.Module):
    """Node features and encodings to x⁰ [N, dim].

    `concat` (GraphGPS): features take what the encodings' widths leave of `dim`. `add`
    (benchmarking-gnns): all have width `dim` and are summed. An encoding without a width of its own
    gets `dim` when added; when concatenated, all such share half of `dim`. `dropout` acts on continuous features.
    """

    def __init__(
        self,
        spec: GraphSpec,
        dim: int,
        encodings: Sequence[Encoding] = (),
        merge: Merge = "concat",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dropout and spec.node.kind != "continuous":
            raise UsageError(
                f"model.input_dropout={dropout} has nothing to act on: node features are {spec.node.kind}."
            )
        self.dim, self.merge, self.dropout = dim, merge, dropout
        share = dim if merge == "add" else dim // (2 * max(len(encodings), 1))
        widths = [dim if merge == "add" else encoding.dim or share for encoding in encodings]
        features = dim if merge == "add" else dim - sum(widths)
        if features < 1:
            raise UsageError(
                f"The encodings take {' + '.join(map(str, widths))} of the model's hidden_dim {dim} and leave nothing "
                "for the node features. Raise model.hidden_dim or lower encoding.<name>.dim."
            )
        self.features = FeatureEmbedding(spec.node, features)
        self.encoders = nn.ModuleList(
            encoding.encoder(width) for encoding, width in zip(encodings, widths, strict=True)
        )

    def forward(self, batch: Batch) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        parts = [self.features.of_nodes(batch, dropout), *(encode(batch) for encode in self.encoders)]
        if len(parts) == 1:
            return parts[0]
        return concat(parts) if self.merge == "concat" else torch.stack(parts).sum(0)
