"""Batch normalisation over the rows of a batch (all its nodes, or all its edges), of one process or of several."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gnnlab import ops
from gnnlab.ops.norm import surrounded

_total: Callable[[Tensor], Tensor] | None = None


@contextmanager
def synchronised(total: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within it, norms in training measure the rows of all processes; `total` adds up tensors, and their gradients.

    The processes must then call the same norms in the same order, one that has no rows too.
    """
    global _total
    before, _total = _total, total
    try:
        yield
    finally:
        _total = before


def is_synchronised() -> bool:
    """Whether norms measure the rows of all processes now."""
    return _total is not None


class BatchNorm(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` with the dropouts, ReLU and residuals around it, in one op.

    Fewer than two rows have no variance: they are normalised by the running statistics, as in evaluation,
    and leave them as they are.
    """

    def forward(
        self,
        input: Tensor,
        before: Tensor | None = None,
        after: Tensor | None = None,
        around: ops.Around = ops.Around(),
        rows: Tensor | None = None,
    ) -> Tensor:
        """See `gnnlab.ops.norm`; `rows` [1]: how many of the rows are not padding."""
        if self.training and _total:
            return self._synchronised(_total, input, before, after, around, rows)
        if not self.training:
            around = ops.Around(around.relu)
        measured = self.training and (rows is not None or input.shape[0] > 1)
        given = None if measured else self._running()
        y, mean, var = ops.norm(input, self.weight, self.bias, given, self.eps, before, after, around, rows)
        if measured:
            ops.track(self, mean, var, y, rows)
        return y

    def _synchronised(
        self,
        total: Callable[[Tensor], Tensor],
        input: Tensor,
        before: Tensor | None,
        after: Tensor | None,
        around: ops.Around,
        rows: Tensor | None,
    ) -> Tensor:
        """The same in plain torch, with the mean and the variance of the rows of all processes."""

        def normalised(h: Tensor) -> Tensor:
            z, (running_mean, running_var) = h.to(self.weight.dtype), self._running()
            real = (torch.arange(len(z), device=z.device) < (len(z) if rows is None else rows))[:, None]
            here = torch.cat([torch.where(real, z, 0).sum(0), real.sum(0).to(z.dtype)])
            sums, n = total(here).split([z.shape[1], 1])
            n, enough = n.clamp(min=1), n > 1
            mean = sums / n
            var = total(torch.where(real, z - mean, 0).square().sum(0)) / n
            with torch.no_grad():
                share = enough * (0.1 if self.momentum is None else self.momentum)
                running_mean.lerp_(mean.to(running_mean), share.to(running_mean))
                running_var.lerp_((var * n / (n - 1).clamp(min=1)).to(running_var), share.to(running_var))
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(enough.squeeze())
            mean, var = torch.where(enough, mean, running_mean), torch.where(enough, var, running_var)
            return ((z - mean) * (var + self.eps).rsqrt() * self.weight + self.bias).to(h.dtype)

        return surrounded(normalised, input, before, after, around, training=True)

    def _running(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var
