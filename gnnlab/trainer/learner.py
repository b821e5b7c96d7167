"""What learns: a model with the optimizer, the schedule and the averaged weights of its present phase."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gnnlab.batch import Batch
from gnnlab.ops import clip_grad_norm_
from gnnlab.ops.batchnorm import BatchNorm, synchronised
from gnnlab.ops.recorded.direct import direct_gradients
from gnnlab.padding import Padding, check_model, dummy
from gnnlab.trainer import cudagraph, device, distributed
from gnnlab.trainer.cudagraph import CudaGraphs, Part
from gnnlab.trainer.decay import parameter_groups
from gnnlab.trainer.ema import EMA
from gnnlab.trainer.evaluate import evaluate
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.precision import make_forward
from gnnlab.trainer.protocols import Loader, Scheduler, Stateful, Task

if TYPE_CHECKING:
    from gnnlab.trainer.loop import Trainer


class Learner:
    """Steps and evaluations, of all processes together: each holds the same weights before and after."""

    def __init__(
        self,
        settings: "Trainer",
        model: nn.Module,
        task: Task,
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., Scheduler],
    ) -> None:
        self.settings, self.model, self.task = settings, model, task
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.device = device.claim(settings.device)
        model.to(self.device)
        self.forward = make_forward(model, self.device, settings.precision, settings.compile)
        self.synchronised = distributed.world() > 1 and any(isinstance(part, BatchNorm) for part in model.modules())
        self.frozen: list[nn.Parameter] = []
        distributed.part_ways()

    def begin(self, phase: Phase, batches: Loader) -> None:
        """Start `phase` on `batches`: its hook, the weights of rank 0, a fresh optimizer, schedule and average."""
        self.phase = phase
        self.freeze(phase.frozen)
        if phase.on_start:
            phase.on_start(self.model)
        distributed.share(self.model.state_dict().values())
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = self.make_optimizer(parameter_groups(self.model))
        self.scheduler = self.make_scheduler(self.optimizer, epochs=phase.epochs, maximize=self.task.maximize)
        self.ema = EMA(self.model, self.settings.ema) if self.settings.ema is not None else None
        self.pad = self._padding(batches)
        self.graphs = None
        if self.settings.cudagraph:
            cudagraph.check_static(self.model)
            self.graphs = CudaGraphs(self._update, self.optimizer, self.parameters)

    def freeze(self, parameters: Iterable[nn.Parameter]) -> None:
        """Have these not learn, and those again that the phase before had frozen."""
        for parameter in self.frozen:
            parameter.requires_grad_(True)
        self.frozen = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in self.frozen:
            parameter.requires_grad_(False)

    def end(self, weights: dict[str, Tensor]) -> None:
        """Leave the phase with `weights`."""
        self.model.load_state_dict(weights)
        self.ema = None

    def step(self, group: Sequence[Batch], items: int) -> tuple[Tensor, Tensor]:
        """One optimizer step over batches that are, with those of the other processes, `items` items.

        Returns this process's share of the mean loss, and the norm of the whole gradient.
        """
        parts = [(self.pad(batch), self.task.count(batch) / max(1, items)) for batch in group]
        return self.graphs(*parts[0]) if self.graphs else self._update(parts)

    def _update(self, parts: Sequence[Part]) -> tuple[Tensor, Tensor]:
        """A step on batches, each with its share of the items of all processes."""
        self.optimizer.zero_grad()
        loss = torch.stack([self._backward(batch, share) for batch, share in parts]).sum()
        distributed.sum_gradients(self.parameters)
        norm = clip_grad_norm_(self.parameters, self.settings.clip or math.inf)
        self.optimizer.step()
        if self.ema:
            self.ema.update(self.model)
        return loss, norm.to(self.device)  # without a gradient it was on the CPU

    def _backward(self, batch: Batch, share: float) -> Tensor:
        """Add the gradient of a batch to that of the step; its share of the step's loss."""
        if not share and not self.synchronised:
            return torch.zeros((), device=self.device)
        batch = batch.to(self.device)
        direct = nullcontext() if self.phase.objective else direct_gradients()  # an objective may ask for gradients too
        with direct, synchronised(distributed.total_with_gradient) if self.synchronised else nullcontext():
            out = self.forward(batch if batch.num_graphs else dummy(batch))
        if not share:
            (0 * out.sum()).backward()  # for what the norms of the others need of it
            return torch.zeros((), device=self.device)
        loss = self.task.loss(out, batch) * share
        if self.phase.objective:
            loss = loss + self.phase.objective(self.model, out, batch) * share
        loss.backward()
        return loss.detach()

    def _padding(self, batches: Loader) -> Callable[[Batch], Batch]:
        if self.settings.pad is None:
            return lambda batch: batch
        check_model(self.model)
        return Padding(batches.epoch(0), self.settings.pad)

    def evaluate(self, split: Loader) -> dict[str, float]:
        """Loss and score of a split, with the averaged weights if there are any."""
        self.model.eval()
        with self.averaged():
            distributed.share(self.model.state_dict().values())
            return evaluate(self.forward, self.task, split.epoch(0), self.device)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it, the model carries the weights that are evaluated and kept."""
        with self.ema.applied(self.model) if self.ema else nullcontext():
            if self.ema and self.phase.on_average:
                self.phase.on_average(self.model)
            yield

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def parts(self) -> dict[str, Stateful]:
        """What a checkpoint must hold of it."""
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        own = {f"phase.{name}": part for name, part in self.phase.state.items()}
        return parts | ({"ema": self.ema} if self.ema else {}) | own
