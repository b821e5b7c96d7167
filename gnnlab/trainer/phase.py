"""A phase: a stretch of training with hooks. A training method is a list of phases over the same loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.trainer.protocols import Loader, Stateful


@dataclass(frozen=True)
class Phase:
    """`epochs` epochs with an optimizer and a schedule of their own.

    A phase finds in the model the best weights of the phase before it. Hooks keep what they learn in
    the model's buffers or in `state`, so that a checkpoint holds it.

    objective(model, out, batch): a scalar added to the task's loss.
    on_start(model): before the optimizer is built; in a resumed run, before the saved state is loaded.
    on_step_end(model, step): after every optimizer step (counted from 1), gradients still in place.
    on_epoch_end(model, epoch): before the epoch (counted from 0) is evaluated; may return values to log.
    state: an object whose state goes into the checkpoint (a teacher, a gate).
    loaders: the splits of this phase, where they differ from those given to `fit`.
    """

    name: str
    epochs: int
    objective: Callable[[nn.Module, Tensor, Batch], Tensor] | None = None
    on_start: Callable[[nn.Module], None] | None = None
    on_step_end: Callable[[nn.Module, int], None] | None = None
    on_epoch_end: Callable[[nn.Module, int], Mapping[str, float] | None] | None = None
    state: Stateful | None = None
    loaders: Mapping[str, Loader] | None = None
