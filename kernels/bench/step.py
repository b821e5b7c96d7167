"""A training step of GPS on ZINC-12k: ours beside PyG's `GPSConv` stack, on the same 32 graphs at a time.

Both are run as they are: the same widths, the same dropout on the attention weights, AdamW as each of them
configures it. Steps of the two alternate.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import torch
from torch_geometric.loader import DataLoader

from gnnlab import compose
from gnnlab.config import build
from gnnlab.run import prepare

TWIN = Path(__file__).parents[2] / "experiments" / "gps_zinc_vs_pyg" / "twin.py"


def load_twin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("twin", TWIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ours() -> Iterator[Callable[[], None]]:
    """One step after the other of `model=gps dataset=zinc`; data and batches are made outside the step."""
    cfg = compose("model=gps", "dataset=zinc")
    made = prepare(cfg)
    model, optimizer = made.model.train(), build(cfg.optimizer)(made.model.parameters())
    parameters = list(model.parameters())

    def step(batch: Any) -> None:
        optimizer.zero_grad()
        made.task.loss(model(batch), batch).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    while True:
        yield from (lambda batch=batch: step(batch) for batch in made.loaders["train"].epoch(0))


def peer(folder: Path) -> Iterator[Callable[[], None]]:
    """The same with PyG's parts."""
    twin = load_twin()
    model = twin.PyGGPS().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-5)

    def step(data: Any) -> None:
        optimizer.zero_grad()
        (model(data) - data.y).abs().mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    loader = DataLoader(twin.load(folder)["train"], batch_size=32, shuffle=True)
    while True:
        yield from (lambda data=data: step(data) for data in loader)


def rows(steps: int = 60, warmup: int = 5) -> list[dict[str, Any]]:
    """Median milliseconds of a step, the two alternating."""
    folder = Path(tempfile.gettempdir()) / "gnnlab-pyg-zinc"
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for pair in islice(zip(ours(), peer(folder), strict=True), steps + warmup):
        for name, step in zip(times, pair, strict=True):
            start = time.perf_counter()
            step()
            times[name].append(1000 * (time.perf_counter() - start))
    a, b = (median(values[warmup:]) for values in times.values())
    return [
        {"what": "GPS-ZINC train step", "unit": "ms", "ours": a, "peer": b, "ratio": b / a, "peer_name": "PyG GPSConv"}
    ]
