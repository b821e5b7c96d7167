"""A task: what is minimised, what is predicted, and how a whole split is scored.

The model gives a row of `spec.out_dim` for each graph, node or labelled pair; targets are described at each class.
Where the targets of some nodes alone count, `batch.mask` selects them. Of a padded batch (`gnnlab.padding`) the real
rows count, and the loss is computed in shapes that do not depend on how many they are. Plain losses of parts of a batch
(micro-batches, processes) add up to that of the batch; weighted ones take their weights from each part by itself.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from gnnlab.batch import Batch
from gnnlab.spec import MINIMIZED, GraphSpec
from gnnlab.tasks.metrics import METRICS, class_weights, reciprocal_ranks, subtoken_f1


class Task(ABC):
    """Loss, predictions and score for one `GraphSpec`."""

    def __init__(self, spec: GraphSpec) -> None:
        self.metric = spec.metric
        self.maximize = spec.metric not in MINIMIZED
        self.weighted = spec.weighted_loss
        self.num_targets = spec.num_targets
        self.level = spec.level

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """The scalar to minimise, a mean over the split's items in the batch; 0 where they weigh nothing."""
        if not batch.is_padded:
            return self._loss(*self._items(out, batch))
        counted = self._counted(batch)
        assert counted is not None
        y = torch.where(counted if batch.y.dim() == 1 else counted[:, None], batch.y, 0)
        return self._loss(out, y, counted)

    def count(self, batch: Batch) -> int:
        """How many items the loss is a mean over: graphs, nodes, pairs of nodes, or known labels."""
        return len(self._targets(batch))

    def predictions(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The (outputs, targets) rows that belong to the split, detached."""
        out, y = self._items(out, batch)
        return out.detach().float(), y

    def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
        """The metric over all rows of a split."""
        return {self.metric: METRICS[self.metric](out, y)}

    def _items(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        counted = self._counted(batch)
        return (out if counted is None else out[counted]), self._targets(batch)

    def _targets(self, batch: Batch) -> Tensor:
        counted = self._counted(batch)
        return batch.y if counted is None else batch.y[counted]

    def _counted(self, batch: Batch) -> Tensor | None:
        """[n] bool: the rows of the targets that are real and belong to the split; None where all do."""
        rows = getattr(batch.real, f"num_{self.level}s")
        mask = batch.mask if self.level == "node" else None
        if rows is None:
            return mask
        real = torch.arange(len(batch.y), device=rows.device) < rows
        return real if mask is None else real & mask

    @abstractmethod
    def _loss(self, out: Tensor, y: Tensor, counted: Tensor | None = None) -> Tensor:
        """The loss of all rows, or of those where `counted` [n]; y is 0 in the others."""


class Regression(Task):
    """The metric's own loss: absolute error (ZINC, AQSOL, peptides), or for "rmse" the squared one. y [n, T] floats."""

    def _loss(self, out: Tensor, y: Tensor, counted: Tensor | None = None) -> Tensor:
        loss = functional.mse_loss if self.metric == "rmse" else functional.l1_loss
        return _mean(loss(out, y, reduction="none"), counted)


class Binary(Task):
    """Binary cross-entropy on one logit, y [n, 1] in {0, 1}.

    Weighted: every item counts with the share of the other class in the batch, and the sum is divided by
    the number of items (GraphGPS on PATTERN), not by the sum of weights.
    """

    def _loss(self, out: Tensor, y: Tensor, counted: Tensor | None = None) -> Tensor:
        weight = class_weights(y.long().flatten(), 2, counted)[y.long()] if self.weighted else None
        if counted is None:
            return functional.binary_cross_entropy_with_logits(out, y, weight)
        return _mean(functional.binary_cross_entropy_with_logits(out, y, weight, reduction="none"), counted)


class Ranking(Binary):
    """Cross-entropy on labelled pairs (h, t), scored by the rank of each true one among all pairs (h, x) of the split.

    Mean reciprocal rank over the true pairs of a graph, then over the graphs that have some (PCQM-Contact, LRGB;
    GraphGPS weights its batches by their labelled pairs): "mrr" is the raw one, with "mrr_filtered" and "mrr_extended"
    beside it, see `reciprocal_ranks`.
    """

    def predictions(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """[graphs with true pairs, 3] their mean reciprocal ranks, and how many pairs these are means over."""
        true, pairs = batch.y.flatten() > 0, batch.edge_label_index
        ranks = reciprocal_ranks(out.detach().float().flatten(), true, pairs)
        graph = batch.batch[pairs[0][true]]
        count = torch.bincount(graph, minlength=batch.num_graphs)
        total = ranks.new_zeros(batch.num_graphs, 3).index_add(0, graph, ranks)
        return total[count > 0] / count[count > 0, None], count[count > 0]

    def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
        names = ("mrr", "mrr_filtered", "mrr_extended")
        return dict(zip(names, out.mean(0).tolist(), strict=True))


class Multiclass(Task):
    """Cross-entropy, y [n] class numbers; weighted by 1 − n_c / n of the batch where the spec says so.

    The weighted loss is divided by the sum of weights; a batch of one class weighs nothing and costs nothing.
    """

    def _loss(self, out: Tensor, y: Tensor, counted: Tensor | None = None) -> Tensor:
        known = y if counted is None else torch.where(counted, y, -100)
        if not self.weighted:
            return functional.cross_entropy(out, known, ignore_index=-100)
        weight = class_weights(y, self.num_targets, counted).to(out.dtype)
        alone = (weight.sum() == 0).to(out.dtype)
        return functional.cross_entropy(out, known, weight + alone, ignore_index=-100) * (1 - alone)


class Sequence(Task):
    """Cross-entropy at each place of a sequence, y [B, length] class numbers, the last of which is the end (code2).

    The output holds the logits of place after place. The metric is the F1 of the words, mean over the sequences; the
    graph attribute `words` [B, …] has all true ones, each once, filled up with −1.
    """

    def predictions(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """[B] F1 of each sequence, and its target."""
        out, y = self._items(out, batch)
        words = batch.graph["words"][: len(y)]
        return subtoken_f1(self._places(out).argmax(-1), words, self.num_targets - 1), y

    def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
        return {self.metric: float(out.mean())}

    def _loss(self, out: Tensor, y: Tensor, counted: Tensor | None = None) -> Tensor:
        known = y if counted is None else torch.where(counted[:, None], y, -100)
        return functional.cross_entropy(self._places(out).flatten(0, 1), known.flatten(), ignore_index=-100)

    def _places(self, out: Tensor) -> Tensor:
        """[B, length · classes] to [B, length, classes]."""
        return out.unflatten(-1, (-1, self.num_targets))


class Multilabel(Task):
    """Binary cross-entropy over the labels that are known; y [n, T] in {0, 1}, NaN where unknown."""

    def count(self, batch: Batch) -> int:
        return int((~torch.isnan(self._targets(batch))).sum())

    def _loss(self, out: Tensor, y: Tensor, counted: Tensor | None = None) -> Tensor:
        known = ~torch.isnan(y)
        if counted is not None:
            losses = functional.binary_cross_entropy_with_logits(out, y.nan_to_num(), reduction="none")
            return _mean(losses, known & counted[:, None])
        out, y = out[known], y[known]
        return functional.binary_cross_entropy_with_logits(out, y) if len(y) else out.sum()


def _mean(losses: Tensor, counted: Tensor | None) -> Tensor:
    """The mean of `losses` [n, T] where `counted` [n] or [n, T], 0 where that is nowhere; of all by default."""
    if counted is None:
        return losses.mean()
    counted = (counted if counted.dim() == 2 else counted[:, None]).expand_as(losses)
    return torch.where(counted, losses, 0).sum() / counted.sum().clamp(min=1)


def make_task(spec: GraphSpec) -> Task:
    """The task of a dataset."""
    if spec.metric == "mrr":
        return Ranking(spec)
    kinds = {
        "regression": Regression,
        "binary": Binary,
        "multiclass": Multiclass,
        "multilabel": Multilabel,
        "sequence": Sequence,
    }
    return kinds[spec.target](spec)
