"""Training steps of whole models, ours beside PyG's twins of as many parameters, on the same batches.

A step is zero_grad, forward, loss, backward, clipping where the setting has it, and AdamW, each side's own. Dropout
of attention is 0.5 on both sides where the row says so, and 0 everywhere else.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle

import torch
from torch import nn
from torch_geometric.data import Batch as PyGBatch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build
from gnnlab.datasets.loader import Loader
from gnnlab.ops import clip_grad_norm_
from gnnlab.ops.recorded.direct import direct_gradients
from gnnlab.packed import Packed
from gnnlab.tasks import make_task
from kernels.bench import memory
from kernels.bench.graphs import as_pyg, zinc
from kernels.bench.measure import SETTINGS, Call, Row, clock, race
from kernels.bench.workloads import MOLECULES, WORKLOADS, Workload

TURN = 0.2
"""Seconds of steps in a row, as in a training; a step after one of the other side's finds the caches cold."""


def our_step(workload: Workload) -> tuple[int, Callable[[Batch], None], Packed]:
    """The number of parameters, a training step, and the graphs with their encodings."""
    cfg = compose(*workload.settings)
    graphs, encodings = workload.graphs(), [build(section) for section in (cfg.get("encoding") or {}).values()]
    for encoding in encodings:
        graphs = graphs.with_node(**encoding.precompute(graphs))
    model = build(cfg.model, spec=workload.spec, encodings=encodings).to(SETTINGS.device).train()
    parameters, task = list(model.parameters()), make_task(workload.spec)
    optimizer = build(cfg.optimizer)(parameters)

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        with direct_gradients():
            out = model(batch)
        task.loss(out, batch).backward()
        if workload.clip is not None:
            clip_grad_norm_(parameters, workload.clip)
        optimizer.step()

    return sum(parameter.numel() for parameter in parameters), step, graphs


def peer_step(workload: Workload) -> tuple[int, Callable[[Data], None]]:
    """The same of the twin."""
    model = workload.twin().to(SETTINGS.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-5)
    measure = nn.L1Loss() if workload.spec is MOLECULES else nn.CrossEntropyLoss()

    def step(data: Data) -> None:
        optimizer.zero_grad()
        out = model(data)
        measure(out, data.y.view(out.shape) if workload.spec is MOLECULES else data.y).backward()
        if workload.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), workload.clip)
        optimizer.step()

    return sum(parameter.numel() for parameter in model.parameters()), step


def pyg_graphs(graphs: Packed) -> list[Data]:
    """The same graphs and encodings as PyG's; bonds without the second dimension, as PyG's ZINC has them."""
    made = as_pyg(graphs)
    for index, data in enumerate(made):
        batch = graphs.batch(index, index + 1)
        data.pe = batch.node.get("rwse")
        data.edge_attr = None if batch.edge_attr is None else batch.edge_attr.squeeze(-1)
    return made


def steps(workload: Workload) -> dict[str, Call]:
    """One training step of each side at a call, on batch after batch."""
    size, step, graphs = our_step(workload)
    their_size, their_step = peer_step(workload)
    assert size == their_size, f"{workload.name}: {size:,} parameters, and {their_size:,} in the twin"
    ours = cycle([batch.to(SETTINGS.device) for batch in Loader(graphs, workload.batch_size).epoch(0)])
    data = pyg_graphs(graphs)
    parts = [data[first : first + workload.batch_size] for first in range(0, len(data), workload.batch_size)]
    theirs = cycle([PyGBatch.from_data_list(part).to(SETTINGS.device) for part in parts])
    return {"ours": lambda: step(next(ours)), "PyG": lambda: their_step(next(theirs))}


def rows() -> Iterator[Row]:
    """A row for each workload, one for an epoch of GPS on ZINC, one for the memory of a step on peptides."""
    for workload in WORKLOADS.values():
        times = race(steps(workload), longer=5, turn=TURN)
        yield Row(workload.name, "step", "forward + backward + AdamW", "ms", times.pop("ours"), times)
    yield epoch()
    if SETTINGS.device == "cpu":
        yield memory.row()


def epoch(repeats: int = 2) -> Row:
    """A pass over the training split, batches made on the way."""
    workload = WORKLOADS["gps-zinc"]
    count = 64 if SETTINGS.quick else 10_000
    _, step, graphs = our_step(replace(workload, graphs=lambda: zinc()[1][0].take(torch.arange(count))))
    loader, theirs = Loader(graphs, 32, shuffle=True), DataLoader(pyg_graphs(graphs), 32, shuffle=True)
    _, their_step = peer_step(workload)

    def ours_once() -> None:
        for batch in loader.epoch(0):
            step(batch.to(SETTINGS.device))

    def theirs_once() -> None:
        for data in theirs:
            their_step(data.to(SETTINGS.device))

    times = {"ours": [], "PyG": []}
    for _ in range(repeats):
        times["ours"].append(clock(ours_once))
        times["PyG"].append(clock(theirs_once))
    return Row(workload.name, "epoch", f"{count:,} graphs", "s", min(times["ours"]), {"PyG": min(times["PyG"])})
