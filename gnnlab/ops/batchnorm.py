"""Batch normalisation over the rows of a batch (all its nodes, or all its edges)."""

from torch import Tensor, nn

from gnnlab import ops


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
        if not self.training:
            around = ops.Around(around.relu)
        measured = self.training and (rows is not None or input.shape[0] > 1)
        given = None if measured else self._running()
        y, mean, var = ops.norm(input, self.weight, self.bias, given, self.eps, before, after, around, rows)
        if measured:
            ops.track(self, mean, var, input.shape[0], rows)
        return y

    def _running(self) -> tuple[Tensor, Tensor]:
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var
