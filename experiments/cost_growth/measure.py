"""Time and peak memory of a training step over the nodes of one graph: linear attention, Mamba, GMN, softmax attention.

    python experiments/cost_growth/measure.py            # measures, then draws
    python experiments/cost_growth/measure.py --draw     # draws results.csv again

Writes `results.csv`, `slopes.csv` and `growth.png` beside it. Seconds are those that the process had on the processor,
in one thread, so that other processes disturb little; peaks of memory are Linux's own count.
"""

import argparse
import csv
import ctypes
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import linear_regression, median

import matplotlib
import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.config import build, compose
from gnnlab.packed import Packed
from gnnlab.spec import GraphSpec

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
NODES = [1 << power for power in (10, 12, 14, 16, 18)]
MOST = {"attention": 1 << 14}
"""Where a step would take minutes, sizes end here."""
ENOUGH = 2.0
"""Seconds after which a size is not repeated."""
WIDTH = 32
SETTINGS = ["preset=none", "encoding=[]", f"model.hidden_dim={WIDTH}", "model.num_layers=1", "model/conv=gin"]
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
MODELS = {
    "attention": ["model=gps", "model/conv=none", "model/mixer=attention"],
    "performer": ["model=gps", "model/conv=none", "model/mixer=performer"],
    "mamba": ["model=gps", "model/conv=none", "model/mixer=mamba"],
    "gmn": ["model=gmn", "model.reach=1", "model.tokens=1", "model.walks=2"],
}
"""One GPS layer each; before GMN's, a scan over a neighbourhood of every node."""


def graph(nodes: int) -> Batch:
    """A ring with one random chord for every node."""
    ring = torch.arange(nodes)
    other = torch.randint(nodes, (nodes,), generator=torch.Generator().manual_seed(0))
    pairs = torch.cat([torch.stack([ring, (ring + 1) % nodes]), torch.stack([ring, other])], 1)
    edges = torch.cat([pairs, pairs.flip(0)], 1)
    return Packed.from_tensors(torch.tensor([nodes]), torch.tensor([edges.shape[1]]), edges).batch()


def model(name: str) -> nn.Module:
    torch.manual_seed(0)
    section = compose(*[setting for setting in SETTINGS if name == "gmn" or "conv" not in setting], *MODELS[name]).model
    return build(section, spec=GraphSpec("growth", "node", "regression", 1, "mae"), encodings=[])


def resident(key: str) -> float:
    """MB of this process: "VmRSS" now, "VmHWM" at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith(key))


def step(network: nn.Module, batch: Batch) -> Callable[[], None]:
    def call() -> None:
        out: Tensor = network(batch)
        out.sum().backward()
        network.zero_grad()

    return call


def measure(repeats: int) -> Iterator[dict[str, object]]:
    """Rows, size by size. Memory that was freed is kept: else every tensor of 32 MB and more costs fresh pages."""
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)
    for name in MODELS:
        network = model(name)
        step(network, graph(64))()
        for nodes in NODES:
            if nodes > MOST.get(name, nodes):
                continue
            call, seconds = step(network, graph(nodes)), []
            libc.malloc_trim(0)
            before = resident("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
            call()
            while len(seconds) < repeats and sum(seconds) < ENOUGH:
                start = time.process_time()
                call()
                seconds.append(time.process_time() - start)
            megabytes = resident("VmHWM") - before
            print(
                f"{name}, {nodes:,} nodes: {median(seconds):.3f} s, {megabytes:.0f} MB, {len(seconds)} times",
                flush=True,
            )
            yield {"model": name, "nodes": nodes, "seconds": f"{median(seconds):.6f}", "megabytes": f"{megabytes:.1f}"}


def slopes(rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Of straight lines through log cost over log nodes: of all sizes, and of the larger half of them."""
    for name in MODELS:
        points = [row for row in rows if row["model"] == name]
        for quantity in ("seconds", "megabytes"):
            fits = {}
            for kind, chosen in (("slope", points), ("slope of the larger half", points[len(points) // 2 :])):
                x, y = ([math.log(max(float(row[key]), 1e-9)) for row in chosen] for key in ("nodes", quantity))
                fits[kind] = f"{linear_regression(x, y).slope:.2f}"
            yield {"model": name, "quantity": quantity, "from": points[0]["nodes"], "to": points[-1]["nodes"], **fits}


def draw(rows: list[dict[str, str]]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for axis, quantity, unit in zip(axes, ("seconds", "megabytes"), ("s", "MB"), strict=True):
        for name in MODELS:
            points = [(int(row["nodes"]), float(row[quantity])) for row in rows if row["model"] == name]
            axis.plot(*zip(*points, strict=True), marker="o", label=name)
        axis.set(xscale="log", yscale="log", xlabel="nodes", ylabel=f"{quantity} of a training step [{unit}]")
    axes[0].legend()
    figure.savefig(HERE / "growth.png", dpi=120)


def write(name: str, rows: list[dict[str, str]]) -> None:
    with (HERE / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.draw:
        rows = []
        for row in measure(options.repeats):
            rows.append({key: str(value) for key, value in row.items()})
            write("results.csv", rows)
    with (HERE / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    write("slopes.csv", list(slopes(rows)))
    draw(rows)


if __name__ == "__main__":
    main()
