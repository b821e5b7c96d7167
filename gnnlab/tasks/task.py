"""A task: what is minimised, what is predicted, and how a whole split is scored.

Outputs of the model are [B or N, spec.out_dim]; targets are described at each class. Where the split is
a part of one graph, `batch.mask` selects its nodes. Plain losses of parts of a batch (micro-batches,
processes) add up to that of the batch; weighted ones take their weights from each part by itself.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from gnnlab.batch import Batch
from gnnlab.spec import GraphSpec
from gnnlab.tasks.metrics import METRICS, class_weights


class Task(ABC):
    """Loss, predictions and score for one `GraphSpec`."""

    def __init__(self, spec: GraphSpec) -> None:
        self.metric = spec.metric
        self.maximize = spec.metric != "mae"
        self.weighted = spec.weighted_loss
        self.num_targets = spec.num_targets

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """The scalar to minimise, a mean over the split's items in the batch; 0 where they weigh nothing."""
        return self._loss(*self._items(out, batch))

    def count(self, batch: Batch) -> int:
        """How many items the loss is a mean over: graphs, nodes, or known labels."""
        return len(self._targets(batch))

    def predictions(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The (outputs, targets) rows that belong to the split, detached."""
        out, y = self._items(out, batch)
        return out.detach().float(), y

    def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
        """The metric over all rows of a split."""
        return {self.metric: METRICS[self.metric](out, y)}

    def _items(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return (out if batch.mask is None else out[batch.mask]), self._targets(batch)

    def _targets(self, batch: Batch) -> Tensor:
        return batch.y if batch.mask is None else batch.y[batch.mask]

    @abstractmethod
    def _loss(self, out: Tensor, y: Tensor) -> Tensor: ...


class Regression(Task):
    """Mean absolute error, in training too (the L1 loss of ZINC, AQSOL and the peptides). y [n, T] floats."""

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        return functional.l1_loss(out, y)


class Binary(Task):
    """Binary cross-entropy on one logit, y [n, 1] in {0, 1}.

    Weighted: every item counts with the share of the other class in the batch, and the sum is divided by
    the number of items (GraphGPS on PATTERN), not by the sum of weights.
    """

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        weight = class_weights(y.long().flatten(), 2)[y.long()] if self.weighted else None
        return functional.binary_cross_entropy_with_logits(out, y, weight)


class Multiclass(Task):
    """Cross-entropy, y [n] class numbers; weighted by 1 − n_c / n of the batch where the spec says so.

    The weighted loss is divided by the sum of weights; a batch of one class weighs nothing and costs nothing.
    """

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        if not self.weighted:
            return functional.cross_entropy(out, y)
        weight = class_weights(y, self.num_targets).to(out.dtype)
        alone = (weight.sum() == 0).to(out.dtype)
        return functional.cross_entropy(out, y, weight + alone) * (1 - alone)


class Multilabel(Task):
    """Binary cross-entropy over the labels that are known; y [n, T] in {0, 1}, NaN where unknown."""

    def count(self, batch: Batch) -> int:
        return int((~torch.isnan(self._targets(batch))).sum())

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        known = ~torch.isnan(y)
        out, y = out[known], y[known]
        return functional.binary_cross_entropy_with_logits(out, y) if len(y) else out.sum()


def make_task(spec: GraphSpec) -> Task:
    """The task of a dataset."""
    kinds = {"regression": Regression, "binary": Binary, "multiclass": Multiclass, "multilabel": Multilabel}
    return kinds[spec.target](spec)
