"""Normalisation over the rows of a batch (all its nodes, or all its edges)."""

from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` that also trains on fewer than two rows.

    The variance of a single row is undefined and torch raises an error; here such a batch is
    normalised by the running statistics, as in evaluation, and leaves them as they are.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.shape[0] < 2:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(input)
