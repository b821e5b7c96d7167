"""What has no edges: a linear map with its ReLU, a norm with what stands around it, AdamW and clipping."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from gnnlab.batch import Batch
from gnnlab.ops import AdamW, Around, clip_grad_norm_, linear, norm
from gnnlab.ops.linear import reference as plain_linear
from kernels.bench.contest import Function, Op, contests
from kernels.bench.graphs import shapes
from kernels.bench.measure import SETTINGS, Row, copy_floor, race


def rows() -> Iterator[Row]:
    every = list(shapes("zinc", "peptides", "roman"))
    for op in OPS:
        yield from contests(op, every)
    yield from optimizer_rows()


def affine(batch: Batch, width: int) -> list[Tensor]:
    return [torch.randn(batch.num_nodes, width), torch.randn(2 * width, width) / 8, torch.randn(2 * width)]


def normed(batch: Batch, width: int) -> list[Tensor]:
    return [
        torch.randn(batch.num_nodes, width),
        torch.randn(batch.num_nodes, width),
        torch.ones(width),
        torch.zeros(width),
    ]


def plain_norm(batch: Batch) -> Function:
    def call(h: Tensor, residual: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return residual + functional.batch_norm(h, None, None, weight, bias, training=True).relu()

    return call


def optimizer_rows() -> Iterator[Row]:
    """One step over the parameters of GPS on ZINC: 10 layers of width 64."""
    shapes = [(64, 64)] * 60 + [(64,)] * 160 + [(192, 64)] * 10 + [(128, 64), (64, 128)] * 10
    generator = torch.Generator().manual_seed(0)

    def parameters() -> list[nn.Parameter]:
        made = [nn.Parameter(torch.randn(shape, generator=generator).to(SETTINGS.device)) for shape in shapes]
        for parameter in made:
            parameter.grad = torch.randn_like(parameter)
        return made

    steps = {
        "ours": AdamW(parameters()).step,
        "torch.optim.AdamW": torch.optim.AdamW(parameters()).step,
        "torch.optim.AdamW(foreach)": torch.optim.AdamW(parameters(), foreach=True).step,
        "torch.optim.AdamW(fused)": torch.optim.AdamW(parameters(), fused=True).step,
    }
    size, times = sum(parameter.numel() for parameter in parameters()), race(steps)
    where = f"{len(shapes)} parameters, {size:,} numbers"
    yield Row("AdamW", where, "step", "ms", times.pop("ours"), times, {"memory": copy_floor(7 * 4 * size)})
    mine, theirs = parameters(), parameters()
    clips = {
        "ours": lambda: clip_grad_norm_(mine, 1.0),
        "torch clip_grad_norm_": lambda: nn.utils.clip_grad_norm_(theirs, 1.0),
    }
    times = race(clips)
    yield Row("clip_grad_norm_", where, "step", "ms", times.pop("ours"), times, {"memory": copy_floor(3 * 4 * size)})


OPS = [
    Op(
        "linear + ReLU",
        affine,
        lambda batch: lambda x, weight, bias: linear(x, weight, bias, relu=True),
        lambda batch: lambda x, weight, bias: plain_linear(x, weight, bias, True, 0.0, None),
        lambda batch, width: (3 * batch.num_nodes * width, 6 * batch.num_nodes * width),
        products=lambda batch, width: [(batch.num_nodes, width, 2 * width)],
    ),
    Op(
        "norm + ReLU + residual",
        normed,
        lambda batch: (
            lambda h, residual, weight, bias: norm(h, weight, bias, after=residual, around=Around(relu=True))[0]
        ),
        plain_norm,
        lambda batch, width: (3 * batch.num_nodes * width, 4 * batch.num_nodes * width),
    ),
]
