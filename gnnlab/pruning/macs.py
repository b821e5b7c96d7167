"""Multiply-adds of a forward pass, counted with the zeros among its weights left out.

Of matrix products alone: sums over edges and elementwise work are not among them, and pruning weights leaves them as
they are. A product with a matrix of which a share s is not 0 costs s times its multiply-adds.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gnnlab.batch import Batch
from gnnlab.ops.flops import as_counted, flop_counter, forward_all


class _Counter(TorchDispatchMode):
    def __init__(self, shares: dict[int, float]) -> None:
        super().__init__()
        self.shares, self.dense, self.sparse = shares, 0.0, 0.0
        self.formulas = flop_counter().flop_registry

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if (flops := self.formulas.get(func._overloadpacket)) is not None:
            macs = flops(*args, **(kwargs or {}), out_val=out) / 2
            factors = [
                self.shares.get(arg.data_ptr(), 1.0) for arg in args if isinstance(arg, Tensor) and arg.dim() > 1
            ]
            self.dense, self.sparse = self.dense + macs, self.sparse + macs * min(factors, default=1.0)
        return out


def macs_per_graph(model: nn.Module, batches: Sequence[Batch]) -> tuple[int, int]:
    """Multiply-adds per graph of forward passes over `batches`: with all weights, and with those that are not 0."""
    shares = {
        parameter.data_ptr(): float(parameter.count_nonzero()) / max(1, parameter.numel())
        for parameter in model.parameters()
    }
    with as_counted(model), _Counter(shares) as counter:
        graphs = forward_all(model, batches)
    return round(counter.dense / graphs), round(counter.sparse / graphs)
