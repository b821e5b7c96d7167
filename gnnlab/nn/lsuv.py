"""LSUV, layer-sequential unit-variance initialisation: Mishkin & Matas, "All You Need Is a Good Init", ICLR 2016."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gnnlab.batch import Batch
from gnnlab.ops import backend


@torch.no_grad()
def lsuv(model: nn.Module, batch: Batch) -> None:
    """Give every linear map of `model` an orthonormal matrix, no bias, and outputs of deviation 1 on `batch`.

    Maps are taken in the order in which they are applied, each on what those before it make by then. A module's
    `own_init: ClassVar[tuple[str, ...]]` names maps of its own that stay as they are, such as gates and scores.
    """
    kept = [getattr(module, name) for module in model.modules() for name in getattr(module, "own_init", ())]
    training = model.training
    with backend.using("reference"), Calibration(id(part.weight) for part in kept if part is not None):
        model.eval()(batch)
    model.train(training)


class Calibration(TorchFunctionMode):
    """Within it, the first application of each linear map sets its weights; `done`: the ids of those that are set."""

    def __init__(self, done: Iterable[int]) -> None:
        super().__init__()
        self.done = set(done)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.linear and isinstance(args[1], nn.Parameter) and id(args[1]) not in self.done:
            self.done.add(id(args[1]))
            calibrate(*args)
        return func(*args, **(kwargs or {}))


def calibrate(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> None:
    """One map. Where all its outputs are the same, as for a batch without edges, it is left at an orthonormal matrix.

    Outputs are linear in the matrix, so one division does what the paper's iteration does.
    """
    nn.init.orthogonal_(weight)
    if bias is not None:
        nn.init.zeros_(bias)
    out = functional.linear(x, weight)
    if out.numel() > 1 and (deviation := out.std()) > 0:
        weight.div_(deviation)
