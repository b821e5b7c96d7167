"""A task: what is minimised, what is predicted, and how a whole split is scored.

Outputs of the model are [B or N, spec.out_dim]; targets are described at each class. Where the split is
a part of one graph, `batch.mask` selects its nodes.
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
        """The scalar to minimise, a mean over the split's graphs or nodes in the batch."""
        return self._loss(*self._items(out, batch))

    def count(self, batch: Batch) -> int:
        """How many graphs or nodes the loss is a mean over."""
        return int(batch.mask.sum()) if batch.mask is not None else batch.y.shape[0]

    def predictions(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The (outputs, targets) rows that belong to the split, detached."""
        out, y = self._items(out, batch)
        return out.detach().float(), y

    def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
        """The metric over all rows of a split."""
        return {self.metric: METRICS[self.metric](out, y)}

    def _items(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        y = batch.y
        return (out, y) if batch.mask is None else (out[batch.mask], y[batch.mask])

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
    """Cross-entropy, y [n] class numbers; weighted by 1 − n_c / n of the batch where the spec says so."""

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        weight = class_weights(y, self.num_targets).to(out.dtype) if self.weighted else None
        return functional.cross_entropy(out, y, weight)


class Multilabel(Task):
    """Binary cross-entropy over the labels that are known; y [n, T] in {0, 1}, NaN where unknown."""

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        known = ~torch.isnan(y)
        return functional.binary_cross_entropy_with_logits(out[known], y[known])


def make_task(spec: GraphSpec) -> Task:
    """The task of a dataset."""
    kinds = {"regression": Regression, "binary": Binary, "multiclass": Multiclass, "multilabel": Multilabel}
    return kinds[spec.target](spec)
