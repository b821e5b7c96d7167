"""Several processes, one model: `torchrun --nproc-per-node 2 train.py …`.

Every process holds the whole model and a part of every global batch. Losses are weighted by the items
of the whole batch and gradients are summed, so parts may be uneven, even empty. With one process every function here
returns its argument.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


def rank() -> int:
    """The number of this process, 0 alone."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def team() -> Iterator[None]:
    """Join the other processes (gloo between CPUs, NCCL between GPUs) and leave them at the end."""
    if world() == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def part_ways() -> None:
    """From here on, processes seeded alike draw random numbers (dropout) of their own."""
    if rank() > 0:
        torch.manual_seed(torch.initial_seed() + rank())


def total(values: Sequence[float] | Tensor) -> Tensor:
    """The sum over all processes, in float64 on the CPU."""
    values = torch.as_tensor(values, dtype=torch.float64).cpu()
    if world() > 1:
        dist.all_reduce(values)
    return values


def collect(value: T) -> list[T]:
    """What every process passed, in the order of their ranks."""
    values = [value] * world()
    if world() > 1:
        dist.all_gather_object(values, value)
    return values


def share(tensors: Iterable[Tensor]) -> None:
    """Overwrite the tensors with those of rank 0."""
    if world() > 1:
        for tensor in tensors:
            dist.broadcast(tensor.data, src=0)


def sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Add up the gradients of all processes, in one message."""
    if world() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))
