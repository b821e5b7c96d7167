"""The smallest run that exercises the trainer: a linear model on pooled features of random graphs."""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from gnnlab.batch import Batch
from gnnlab.errors import RunStopped
from gnnlab.packed import Packed
from gnnlab.trainer import FitResult, Phase, Trainer, distributed
from gnnlab.trainer.loggers.csv import CSV
from gnnlab.trainer.schedule import Cosine
from gnnlab.trainer.seed import seed_everything


def packed(num_graphs: int, seed: int) -> Packed:
    """Graphs of 1–4 nodes with 3 features, no edges, and y = a fixed linear function of the sums."""
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.randint(1, 5, (num_graphs,), generator=generator)
    x = torch.randn(int(nodes.sum()), 3, generator=generator)
    owner = torch.repeat_interleave(torch.arange(num_graphs), nodes)
    sums = torch.zeros(num_graphs, 3).index_add(0, owner, x)
    y = sums @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.1 * torch.randn(num_graphs, 1, generator=generator)
    none = torch.zeros(num_graphs, dtype=torch.long)
    return Packed.from_tensors(nodes, none, torch.empty(2, 0, dtype=torch.long), {"x": x}, {}, {"y": y})


class ToyLoader:
    """Batches in an order fixed by (seed, epoch), every batch cut into parts for the ranks."""

    def __init__(self, store: Packed, batch_size: int, shuffle: bool = False, rank: int = 0, world: int = 1) -> None:
        self.store, self.batch_size, self.shuffle, self.rank, self.world = store, batch_size, shuffle, rank, world
        self.pause = 0.0

    def num_batches(self, epoch: int = 0) -> int:
        return -(-self.store.num_graphs // self.batch_size)

    def epoch(self, epoch: int, start: int = 0):
        count = self.store.num_graphs
        order = torch.arange(count)
        if self.shuffle:
            order = torch.randperm(count, generator=torch.Generator().manual_seed(1000 + epoch))
        for chunk in order.split(self.batch_size)[start:]:
            time.sleep(self.pause)
            first, last = (len(chunk) * r // self.world for r in (self.rank, self.rank + 1))
            yield self.store.take(chunk[first:last]).batch()


ADAMW = partial(AdamW, lr=0.05)


class L2:
    """Squared error; the score is the mean absolute error."""

    metric, maximize = "mae", False

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return (out - batch.y.to(out)).square().mean()

    def count(self, batch: Batch) -> int:
        return len(batch.y)

    def predictions(self, out: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return out.detach(), batch.y

    def score(self, out: Tensor, y: Tensor) -> dict[str, float]:
        return {"mae": float((out.double() - y.double()).abs().mean())}


class Linear(nn.Module):
    """Sum of the node features, dropout, a linear map."""

    def __init__(self, dropout: float = 0.0, hidden: int = 0) -> None:
        super().__init__()
        body = [nn.Linear(3, hidden), nn.BatchNorm1d(hidden), nn.ReLU()] if hidden else []
        self.layers = nn.Sequential(nn.Dropout(dropout), *body, nn.Linear(hidden or 3, 1))

    def forward(self, batch: Batch) -> Tensor:
        x = batch.node["x"].to(next(self.parameters()).dtype)
        return self.layers(x.new_zeros(batch.num_graphs, 3).index_add(0, batch.batch, x))


def toy_loaders(rank: int = 0, world: int = 1, batch_size: int = 8) -> dict[str, ToyLoader]:
    """36 graphs to train on: five batches, the last one shorter."""
    sizes = {"train": 36, "val": 20, "test": 20}
    return {
        name: ToyLoader(packed(size, seed), batch_size, name == "train", rank, world)
        for seed, (name, size) in enumerate(sizes.items())
    }


def toy_fit(
    folder: Path,
    model: Callable[[], nn.Module] = Linear,
    phases: list[Phase] | None = None,
    resume: bool = False,
    task=None,
    loaders=None,
    loggers=None,
    scheduler=Cosine,
    optimizer=ADAMW,
    seed: int = 0,
    fingerprint: str = "",
    **settings,
) -> tuple[nn.Module, FitResult]:
    """Fit the toy; returns the model with its best weights, and the result."""
    seed_everything(seed)
    built = model()
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(**{"max_epochs": 6, "device": "cpu", "progress": False, **settings})
    loggers = [CSV(folder)] if loggers is None else loggers
    result = trainer.fit(
        built,
        task or L2(),
        loaders or toy_loaders(),
        optimizer,
        scheduler,
        loggers,
        folder,
        phases=phases,
        resume=resume,
        fingerprint=fingerprint,
    )
    return built, result


def run_as_process(folder: Path, plain: bool = False, environment: dict[str, str] | None = None) -> None:
    """The toy as a process of its own, continued if it was stopped; leaves its weights in final<rank>.pt.

    With everything that a checkpoint must hold, or `plain`: equal on any number of processes.
    """
    os.environ.update(environment or {})
    torch.set_num_threads(1)
    rank, world = distributed.rank(), distributed.world()
    loaders = toy_loaders(rank, world, batch_size=5 if plain else 8)
    settings = {} if plain else {"max_epochs": 12, "ema": 0.9, "checkpoint_every": 0.01}
    loaders["train"].pause = 0.0 if plain else 0.002
    try:
        model, result = toy_fit(
            folder,
            (lambda: Linear().double()) if plain else partial(Linear, dropout=0.2, hidden=8),
            resume=True,
            loaders=loaders,
            scheduler=partial(Cosine, warmup=3),
            accumulate=2,
            **settings,
        )
    except RunStopped as error:
        (folder / "message.txt").write_text(str(error))
        sys.exit(getattr(error, "exit_code", 1))
    torch.save({"weights": model.state_dict(), "history": result.history}, folder / f"final{rank}.pt")
