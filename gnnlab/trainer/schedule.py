"""Learning-rate schedules, stepped once per epoch.

Each multiplies the learning rate that every parameter group began with. The configuration gives its own parameters;
`optimizer`, `epochs` of the run and `maximize` (whether a higher validation metric is better) only run time knows.
`step(metric)` ends an epoch: `metric` is that of validation (of a schedule with `watch = "loss"` the loss), None where
the epoch was not evaluated.
"""

import logging
import math
from typing import Annotated, Any, Literal

from annotated_types import Gt, Lt
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gnnlab.bounds import Count, Natural
from gnnlab.trainer import distributed

notice = logging.getLogger(__name__)


class Constant:
    """The learning rate stays as it is."""

    def __init__(self, optimizer: Optimizer, epochs: int, maximize: bool = False) -> None:
        pass

    def step(self, metric: float | None) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass


class Cosine:
    """Linear warm-up from 0, then half a cosine down to 0, as in GraphGPS.

    Factor in epoch t = 0, 1, …: max(1e-6, t / warmup) for t < warmup, then
    ½ (1 + cos(π (t − warmup) / (epochs − warmup))). With epochs ≤ warmup the learning rate would never be reached:
    warmup is ⌊epochs / 10⌋ then.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, maximize: bool = False, warmup: Natural = 0) -> None:
        if 0 < epochs <= warmup:
            warmup, asked = epochs // 10, warmup
            if distributed.rank() == 0:
                notice.warning(
                    "scheduler.warmup=%d leaves nothing of epochs=%d; using %d instead.", asked, epochs, warmup
                )
        self.optimizer, self.epochs, self.warmup = optimizer, epochs, warmup
        self.base = [group["lr"] for group in optimizer.param_groups]
        self.epoch = 0
        self._apply()

    def factor(self, epoch: int) -> float:
        """The multiple of the base learning rate that `epoch` is trained with."""
        if epoch < self.warmup:
            return max(1e-6, epoch / self.warmup)
        progress = (epoch - self.warmup) / max(1, self.epochs - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * progress))

    def step(self, metric: float | None) -> None:
        self.epoch += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "base": self.base}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch, self.base = state_dict["epoch"], state_dict["base"]
        self._apply()

    def _apply(self) -> None:
        """Give every parameter group its learning rate of this epoch."""
        for group, base in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = base * self.factor(self.epoch)


class Plateau:
    """Multiply by `factor` where the validation metric stands still, or with `watch="loss"` the validation loss.

    That is once it has not improved by 1e-4 of itself in over `patience` evaluations. Like benchmarking-gnns, which
    watches the loss, and whose runs end below `trainer.min_lr`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        epochs: int,
        maximize: bool = False,
        factor: Annotated[float, Gt(0), Lt(1)] = 0.5,
        patience: Count = 10,
        watch: Literal["metric", "loss"] = "metric",
    ) -> None:
        self.watch, mode = watch, "max" if maximize and watch == "metric" else "min"
        self.plateau = ReduceLROnPlateau(optimizer, mode, factor=factor, patience=patience)

    def step(self, metric: float | None) -> None:
        if metric is not None:
            self.plateau.step(metric)

    def state_dict(self) -> dict[str, Any]:
        return self.plateau.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.plateau.load_state_dict(state_dict)
