"""Evaluation of a whole split: metrics of all its predictions, never means of batch means."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.trainer import distributed
from gnnlab.trainer.protocols import Task


@torch.no_grad()
def evaluate(
    forward: Callable[[Batch], Tensor], task: Task, batches: Iterable[Batch], device: torch.device
) -> dict[str, float]:
    """{"loss": …, **score} of the split that `batches` make up, over all processes together."""
    loss, items = torch.zeros((), dtype=torch.float64), 0
    predictions: list[Tensor] = []
    targets: list[Tensor] = []
    for batch in batches:
        count = task.count(batch)
        if count:
            batch = batch.to(device)
            out = forward(batch)
            loss = loss + task.loss(out, batch).double() * count
            rows, truth = task.predictions(out, batch)
            predictions.append(rows)
            targets.append(truth)
            items += count
    loss, items = distributed.total([float(loss), items]).tolist()
    return {"loss": loss / items, **task.score(whole(predictions), whole(targets))}


def whole(parts: list[Tensor]) -> Tensor:
    """The rows of all batches of all processes, on the CPU."""
    mine = torch.cat(parts).cpu() if parts else None
    return torch.cat([rows for rows in distributed.collect(mine) if rows is not None])
