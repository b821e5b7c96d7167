"""The selective scan over the nodes of each graph, beside loops over the steps."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops import selective_scan
from gnnlab.ops.scan import reference
from kernels.bench.contest import Op, contests
from kernels.bench.graphs import shapes
from kernels.bench.measure import Row

STATES = 16


def rows() -> Iterator[Row]:
    for shape in shapes("zinc", "peptides"):
        yield from contests(SCAN, [shape])


def inputs(batch: Batch, width: int) -> list[Tensor]:
    n = batch.num_nodes
    steps, decay = torch.rand(n, width) * 0.1, -torch.rand(width, STATES) - 0.5
    return [torch.randn(n, width), steps, decay, torch.randn(n, STATES), torch.randn(n, STATES)]


SCAN = Op(
    "selective_scan",
    inputs,
    lambda batch: lambda *values: selective_scan(*values, batch.ptr),
    lambda batch: lambda *values: reference(*values, batch.ptr),
    lambda batch, width: (batch.num_nodes * (3 * width + 2 * STATES), batch.num_nodes * (5 * width + 4 * STATES)),
    compiles=False,  # hundreds of unrolled steps
)
