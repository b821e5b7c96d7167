"""What a dataset tells every other part: feature kinds and sizes, task level, targets, metric.

A `GraphSpec` is the only run-time knowledge that models, encodings and tasks receive; nothing else
travels from the data to the parts, so any part can be built in a notebook from a spec written by hand.
"""

from dataclasses import dataclass, field
from typing import Literal

from gnnlab.errors import UsageError

Level = Literal["graph", "node", "edge"]
Target = Literal["regression", "binary", "multiclass", "multilabel", "sequence"]
Metric = Literal[
    "mae", "rmse", "accuracy", "balanced_accuracy", "f1", "binary_f1", "roc_auc", "ap", "mrr", "subtoken_f1"
]
MINIMIZED: tuple[Metric, ...] = ("mae", "rmse")
"""The metrics that are errors."""
JUDGED_BY: dict[Target, tuple[Metric, ...]] = {
    "regression": ("mae", "rmse"),
    "binary": ("roc_auc", "ap", "accuracy", "balanced_accuracy", "f1", "binary_f1", "mrr"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1", "binary_f1"),
    "multilabel": ("ap", "roc_auc"),
    "sequence": ("subtoken_f1",),
}
"""The metrics that make sense of each target; "mrr" of pairs of nodes only."""


@dataclass(frozen=True)
class Feature:
    """The kind and sizes of a node or edge feature.

    `categorical`: one integer column per entry of `sizes`, each below its size (ZINC atoms: `(28,)`).
    `continuous`: one float vector of width `sizes[0]`. `none`: the graphs carry no such feature.
    """

    kind: Literal["none", "categorical", "continuous"] = "none"
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.kind == "none") != (not self.sizes):
            raise UsageError(f"Feature(kind={self.kind!r}) does not go with sizes={self.sizes}.")

    @classmethod
    def categorical(cls, *sizes: int) -> "Feature":
        return cls("categorical", sizes)

    @classmethod
    def continuous(cls, dim: int) -> "Feature":
        return cls("continuous", (dim,))


@dataclass(frozen=True)
class GraphSpec:
    """The contract between a dataset and the parts that learn from it.

    `level`: targets are of graphs, of nodes, or ("edge") of pairs of nodes, see `Batch.edge_label_index`.
    `num_targets` is the number of values predicted for each: regression columns, labels of a multi-label
    task, classes of a multi-class task, 1 for a binary one. A sequence has `num_targets` classes at each of `length`
    places. `weighted_loss` weights the classes of a batch by 1 − n_c / n (benchmarking-gnns). `in_degrees[d]` counts
    the training nodes of in-degree d.
    """

    name: str
    level: Level
    target: Target
    num_targets: int
    metric: Metric
    node: Feature = Feature()
    edge: Feature = Feature()
    weighted_loss: bool = False
    in_degrees: tuple[int, ...] = field(default=(), repr=False)
    length: int = 1

    def __post_init__(self) -> None:
        fit = [metric for metric in JUDGED_BY[self.target] if metric != "mrr" or self.level == "edge"]
        if self.metric not in fit:
            problem = f"metric={self.metric} cannot judge target={self.target}"
            raise UsageError(f"{self.name}: {problem}; {', '.join(fit)} can.")

    @property
    def out_dim(self) -> int:
        """Width of the head's output."""
        return self.num_targets * self.length
