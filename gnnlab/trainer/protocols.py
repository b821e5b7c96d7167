"""What the loop asks of the parts it is given; anything with these methods will do."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.packed import Packed

Row = dict[str, Any]
"""One line of the history: {"epoch": 0, "train/loss": …, "lr": …, "val/loss": …, "val/mae": …}."""


class Loader(Protocol):
    """The batches of a split. Under several processes, every rank has equally many (some may be empty)."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on; their order depends on (seed, epoch) alone."""
        ...

    def num_batches(self, epoch: int = 0) -> int: ...


class SplitLoader(Loader, Protocol):
    """A loader that knows its graphs, and gives one like it over others."""

    packed: Packed

    def over(self, packed: Packed) -> "SplitLoader": ...

    def sample(self) -> list[Batch]:
        """A few graphs to measure a model on, each by itself."""
        ...


class Task(Protocol):
    """What is minimised, and how a whole split is scored."""

    metric: str
    maximize: bool

    def loss(self, out: Tensor, batch: Batch) -> Tensor: ...

    def count(self, batch: Batch) -> int: ...

    def predictions(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]: ...

    def score(self, out: Tensor, y: Tensor, /) -> dict[str, float]: ...


class Stateful(Protocol):
    """Anything whose state a checkpoint can keep: a module, or an object of your own."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


class Scheduler(Stateful, Protocol):
    """Sets the learning rates of an optimizer, once per epoch. It may have an attribute `watch`, "metric" or "loss"."""

    def step(self, metric: float | None) -> None:
        """The epoch is over; `metric` is the validation value to `watch`, None if it was not evaluated."""
        ...


class Logger(Protocol):
    """A place that rows are written to. What it raises is reported once and closes the logger, not the run."""

    def start(self, history: list[Row], timings: list[Row]) -> None:
        """Called once, first; the rows of the epochs that a resumed run has behind it, else none."""
        ...

    def log(self, row: Row) -> None: ...

    def timing(self, row: Row) -> None: ...

    def close(self, summary: Mapping[str, Any] | None) -> None:
        """The end: {"best/val/mae": …, "test/mae": …}, or None if the run did not get there."""
        ...
