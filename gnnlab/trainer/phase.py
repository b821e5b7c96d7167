"""A phase: a stretch of training with hooks. A training method is a list of phases over the same loop."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.trainer.protocols import SplitLoader, Stateful


@dataclass(frozen=True)
class Phase:
    """`epochs` epochs with an optimizer and a schedule of their own.

    A phase finds in the model the best weights of the phase before it. Hooks keep what they learn in
    the model's buffers or in `state`, so that a checkpoint holds it.

    objective(model, out, batch): a scalar added to the task's loss.
    on_start(model): before the optimizer is built; in a resumed run, before the saved state is loaded.
    on_step_end(model, step): after every optimizer step (counted from 1), gradients still in place.
    on_epoch_end(model, epoch): before the epoch (counted from 0) is evaluated; may return values to log.
    on_average(model): where weights are averaged, with the average in the model, before it is evaluated or kept.
    state: objects whose state goes into the checkpoint (a teacher, a gate), by name.
    loaders: the splits of this phase, where they differ from those given to `fit`.
    choose_from: the epoch with which the choice of the best weights begins anew, and before which nothing stops early.
    frozen: parameters that do not learn in this phase, and do again in one that does not name them.
    """

    name: str
    epochs: int
    objective: Callable[[nn.Module, Tensor, Batch], Tensor] | None = None
    on_start: Callable[[nn.Module], None] | None = None
    on_step_end: Callable[[nn.Module, int], None] | None = None
    on_epoch_end: Callable[[nn.Module, int], Mapping[str, float] | None] | None = None
    state: Mapping[str, Stateful] = field(default_factory=dict)
    loaders: Mapping[str, SplitLoader] | None = None
    on_average: Callable[[nn.Module], None] | None = None
    choose_from: int = 0
    frozen: tuple[nn.Parameter, ...] = ()

    def splits(self, given: Mapping[str, SplitLoader]) -> Mapping[str, SplitLoader]:
        """The loaders of this phase, where `given` are those given to `fit`."""
        return self.loaders or given

    def after(self, on_start: Callable[[nn.Module], None]) -> "Phase":
        """The same phase, with `on_start` called before its own."""
        return replace(self, on_start=_both(on_start, self.on_start))

    def also(
        self,
        objective: Callable[[nn.Module, Tensor, Batch], Tensor] | None = None,
        on_start: Callable[[nn.Module], None] | None = None,
        on_step_end: Callable[[nn.Module, int], None] | None = None,
        on_epoch_end: Callable[[nn.Module, int], Mapping[str, float] | None] | None = None,
        state: Mapping[str, Stateful] | None = None,
        on_average: Callable[[nn.Module], None] | None = None,
        frozen: Iterable[nn.Parameter] = (),
        **changes: Any,
    ) -> "Phase":
        """The same phase with further hooks, called after its own, and further state; `changes` replace the rest.

        Objectives are added, and so are the values to log, and what is `frozen`.
        """
        return replace(
            self,
            objective=_both(self.objective, objective, lambda first, second: first + second),
            on_start=_both(self.on_start, on_start),
            on_step_end=_both(self.on_step_end, on_step_end),
            on_epoch_end=_both(
                self.on_epoch_end, on_epoch_end, lambda first, second: {**(first or {}), **(second or {})}
            ),
            state={**self.state, **(state or {})},
            on_average=_both(self.on_average, on_average),
            frozen=(*self.frozen, *frozen),
            **changes,
        )


def _both(
    first: Callable | None, second: Callable | None, join: Callable[[Any, Any], Any] = lambda first, second: None
) -> Callable | None:
    """Both calls one after the other, their values joined; the one there is where the other is None."""
    if first is None or second is None:
        return first or second
    return lambda *args: join(first(*args), second(*args))
