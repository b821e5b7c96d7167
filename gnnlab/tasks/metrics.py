"""Metrics over a whole split: (outputs [n, T], targets) to one number.

`out` are raw model outputs (logits, not probabilities).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gnnlab.ragged import places


def mae(out: Tensor, y: Tensor) -> float:
    """Mean absolute error over all entries, summed in float64."""
    return float((out.double() - y.double()).abs().mean())


def rmse(out: Tensor, y: Tensor) -> float:
    """Root of the mean squared error, mean over the columns (OGB); summed in float64."""
    return float((out.double() - y.double()).square().mean(0).sqrt().mean())


def classes(out: Tensor) -> Tensor:
    """Predicted class [n]: the largest logit, or the sign of a single one."""
    return out.argmax(-1) if out.shape[-1] > 1 else (out.flatten() > 0).long()


def accuracy(out: Tensor, y: Tensor) -> float:
    """Share of items whose predicted class is the true one."""
    return float((classes(out) == y.long().flatten()).double().mean())


def balanced_accuracy(out: Tensor, y: Tensor) -> float:
    """Mean over the classes of their recall, the "weighted accuracy" of PATTERN and CLUSTER.

    Taken once over the split, over the classes that occur in it.
    """
    y = y.long().flatten()
    hits = torch.bincount(y[classes(out) == y], minlength=int(y.max()) + 1)
    total = torch.bincount(y)
    return float((hits.double() / total)[total > 0].mean())


def f1(out: Tensor, y: Tensor) -> float:
    """Macro F1 (LRGB): 2 TP / (2 TP + FP + FN), mean over the classes that are true or predicted somewhere."""
    y, predicted = y.long().flatten(), classes(out)
    size = int(torch.maximum(y, predicted).max()) + 1
    hits = torch.bincount(y[predicted == y], minlength=size).double()
    total = torch.bincount(y, minlength=size) + torch.bincount(predicted, minlength=size)
    return float((2 * hits / total)[total > 0].mean())


def binary_f1(out: Tensor, y: Tensor) -> float:
    """F1 of class 1 (TSP): 2 TP / (2 TP + FP + FN); 0 where it is neither true nor predicted anywhere."""
    y, predicted = y.long().flatten() == 1, classes(out) == 1
    return float(2 * (y & predicted).sum().double() / (y.sum() + predicted.sum()).clamp(min=1))


def roc_auc(out: Tensor, y: Tensor) -> float:
    """Area under the ROC curve, mean over the labels that have both classes; NaN targets are left out."""
    from torchmetrics.functional.classification import binary_auroc

    return _per_label(binary_auroc, out, y)


def ap(out: Tensor, y: Tensor) -> float:
    """Average precision, mean over the labels that have both classes (OGB, LRGB); NaN targets are left out."""
    from torchmetrics.functional.classification import binary_average_precision

    return _per_label(binary_average_precision, out, y)


def _per_label(metric: Callable[[Tensor, Tensor], Tensor], out: Tensor, y: Tensor) -> float:
    values = []
    for label, logits in zip(y.T, out.T, strict=True):
        known = ~torch.isnan(label)
        truth = label[known].long()
        if 0 < int(truth.sum()) < len(truth):
            values.append(metric(_ranks(logits[known]), truth))
    return float(torch.stack(values).double().mean()) if values else float("nan")


def _ranks(logits: Tensor) -> Tensor:
    """Their order and their ties, as numbers between 0 and 1; a sigmoid would tie all logits above 40."""
    distinct, place = torch.unique(logits, return_inverse=True)
    return (place + 1).double() / (len(distinct) + 1)


def reciprocal_ranks(scores: Tensor, true: Tensor, pairs: Tensor) -> Tensor:
    """[T, 3] one over the rank of each true pair (h, t) among all pairs (h, x), by `scores` [P].

    `true` [P] bool, `pairs` [2, P]. Raw: among all others. Filtered: the other true ones are left out. Extended:
    (h, h) as well (Tönshoff et al. 2024). Of those with an equal score, half come before.
    """
    (head, tail), asked = pairs, true.nonzero()[:, 0]
    heads, order = head.sort(stable=True)
    first, last = (torch.searchsorted(heads, head[asked], right=right) for right in (False, True))
    owner, place = places(last - first)
    other = order[first[owner] + place]
    ahead = (scores[other] > scores[asked][owner]).double() + 0.5 * (scores[other] == scores[asked][owner])
    raw = other != asked[owner]
    filtered = raw & ~true[other]
    extended = filtered & (tail[other] != head[other])
    counted = torch.stack([raw, filtered, extended], dim=1) * ahead[:, None]
    return 1 / (1 + counted.new_zeros(len(asked), 3).index_add(0, owner, counted))


def subtoken_f1(predicted: Tensor, words: Tensor, end: int) -> Tensor:
    """[n] F1 of the words predicted [n, L] before the first `end`, and the true ones [n, R], filled up with −1.

    Sets: neither order nor repetition counts (OGB on code2).
    """
    said = (predicted == end).cumsum(1) == 0
    earlier = (predicted[:, :, None] == predicted[:, None, :]).tril(-1).any(2)
    said &= ~earlier
    hits = said & (predicted[:, :, None] == words[:, None, :]).any(2)
    return 2 * hits.sum(1).double() / (said.sum(1) + (words >= 0).sum(1)).clamp(min=1)


def class_weights(y: Tensor, num_classes: int, counted: Tensor | None = None) -> Tensor:
    """[num_classes] weights 1 − n_c / n of the batch's labels y [n]; 0 for an absent class (benchmarking-gnns).

    `counted` [n]: the labels that there are; all by default.
    """
    counted = torch.ones_like(y) if counted is None else counted.to(y.dtype)
    counts = counted.new_zeros(num_classes).index_add(0, y, counted)
    return torch.where(counts > 0, 1 - counts / counts.sum(), 0.0)


METRICS: dict[str, Callable[[Tensor, Tensor], float]] = {
    "mae": mae,
    "rmse": rmse,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "binary_f1": binary_f1,
    "roc_auc": roc_auc,
    "ap": ap,
}
