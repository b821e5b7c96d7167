"""Several processes, one model: `torchrun --nproc-per-node 2 train.py …`.

Every process holds the whole model and a part of every global batch. Losses are weighted by the items
of the whole batch, gradients are summed, and batch norms measure the rows of all processes, so a step is that of one
process on the whole batch; parts may be uneven, even empty. With one process nothing is exchanged.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gnnlab.errors import RunStopped, UsageError

T = TypeVar("T")


def rank() -> int:
    """The number of this process, 0 alone."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def which() -> str:
    """Which process this is, for a message; nothing where it is the only one."""
    return f" (process {rank()} of {world()})" if world() > 1 else ""


@contextmanager
def team() -> Iterator[None]:
    """Join the other processes (gloo between CPUs, NCCL between GPUs) and leave them at the end."""
    if world() == 1 or dist.is_initialized():
        yield
        return
    with together():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def together() -> Iterator[None]:
    """Within it, what fails because another process is gone raises `RunStopped`, which says so."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, dist.DistError) or any(word in str(error) for word in ("gloo", "Connection", "NCCL"))
        if not lost:
            raise
        raise RunStopped(
            f"Another process is gone{which()}: it says why, or was killed. "
            "With all of them, resume=auto goes on from the last checkpoint.",
            alone=True,
        ) from error


def check_parts(loaders: Mapping[str, object]) -> None:
    """Raise `UsageError` for a loader that would give every process all of each batch."""
    for split, loader in loaders.items():
        if (parts := getattr(loader, "world", 1)) != world():
            raise UsageError(
                f"There are {world()} processes, and the batches of {split!r} are cut into {parts}: give "
                f"{type(loader).__name__} its rank and world={world()}, or train with one process."
            )


def part_ways() -> None:
    """From here on, processes seeded alike draw random numbers (dropout) of their own."""
    if rank() > 0:
        torch.manual_seed(torch.initial_seed() + rank())


def total(values: Sequence[float] | Tensor) -> Tensor:
    """The sum over all processes, in float64 on the CPU."""
    values = torch.as_tensor(values, dtype=torch.float64).cpu()
    if world() > 1:
        with together():
            dist.all_reduce(values)
    return values


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        value = value.clone()
        with together():
            dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _Sum.forward(ctx, grads[0].contiguous())


_sum: Callable = torch.compiler.disable(_Sum.apply)


def total_with_gradient(value: Tensor) -> Tensor:
    """The sum over all processes; its gradient is that of the sum of their losses."""
    return _sum(value)


def collect(value: T) -> list[T]:
    """What every process passed, in the order of their ranks."""
    values = [value] * world()
    if world() > 1:
        with together():
            dist.all_gather_object(values, value)
    return values


def share(tensors: Iterable[Tensor]) -> None:
    """Overwrite the tensors with those of rank 0."""
    if world() > 1:
        with together():
            for tensor in tensors:
                dist.broadcast(tensor.data, src=0)


def sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Add up the gradients of all processes, in one message; None stays where no process has one."""
    if world() == 1:
        return
    sizes = [parameter.numel() for parameter in parameters]
    gradients = [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]
    found = gradients[0].new_tensor([parameter.grad is not None for parameter in parameters])
    flat = torch.cat([*gradients, found])
    with together():
        dist.all_reduce(flat)
    *gradients, found = flat.split([*sizes, len(sizes)])
    for parameter, gradient, count in zip(parameters, gradients, found.tolist(), strict=True):
        parameter.grad = gradient.view_as(parameter).to(parameter.dtype) if count else None
