"""How much faster is a GPS without the parts that GTSP leaves out? `python experiments/gtsp/speed.py` (a minute).

The published GPS of ZINC (GINE and attention, ten layers, d = 64) on random graphs of two sizes, one thread: the
dense model and those compacted to 70, 50 and 30 % of its FLOPs in turn, medians of the time that the thread itself
took. Weights do not matter to time, so they are not trained.
"""

import csv
import time
from copy import deepcopy
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from gnnlab import compose
from gnnlab.config import build
from gnnlab.packed import Packed
from gnnlab.sparsifiers.gtsp.compact import compacted, seconds
from gnnlab.sparsifiers.gtsp.cost import Plan, counted
from gnnlab.sparsifiers.gtsp.method import GTSP
from gnnlab.testing import random_graph, sample_spec
from gnnlab.trainer.phase import Phase

SHARES = (0.7, 0.5, 0.3)
SIZES = {23: 128, 150: 32}
"""Nodes of a graph, and graphs in the batch."""


def main() -> None:
    torch.set_num_threads(1)
    rows = [row for nodes, count in SIZES.items() for row in measured(nodes, count)]
    print(*rows[0], sep=" | ")
    for row in rows:
        print(*row.values(), sep=" | ")
    with (Path(__file__).parent / "speed.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def measured(nodes: int, count: int) -> list[dict[str, Any]]:
    """A row for the dense model and two for each share, the second with all tokens: `count` graphs of `nodes` nodes."""
    generator = torch.Generator().manual_seed(0)
    graphs = Packed.from_graphs([random_graph(nodes, 2 * nodes, generator) for _ in range(count)])
    cfg = compose("model=gps", "dataset=zinc", "encoding=[]")
    torch.manual_seed(0)
    dense = build(cfg.model, spec=sample_spec("graph"), encodings=[]).eval()
    models, plans = {"dense": dense}, {"dense": Plan(1.0, 4, 10)}
    for share, tokens in product(SHARES, (None, 1.0)):
        name, method, model = f"{share}{' with all tokens' * bool(tokens)}", GTSP(share, tokens), deepcopy(dense)
        splits: Any = {"train": SimpleNamespace(packed=graphs)}
        method.phases([Phase("train", 3)], model, splits)
        method.leave(model, 1.0)
        models[name], plans[name] = compacted(model), method.plan
        with torch.no_grad():
            torch.testing.assert_close(models[name](graphs.batch()), model.eval()(graphs.batch()))
    flops = {name: counted(model, graphs.take(torch.arange(8))) for name, model in models.items()}
    took = seconds(models, graphs.batch(), rounds=10, clock=time.process_time)
    return [
        {
            "nodes": nodes,
            "keep": name,
            "tokens": round(plans[name].tokens, 3),
            "heads": plans[name].heads,
            "layers": plans[name].layers,
            "flops_kept": round(flops[name] / flops["dense"], 3),
            "milliseconds": round(1e3 * took[name], 2),
            "time_kept": round(took[name] / took["dense"], 3),
        }
        for name in models
    ]


if __name__ == "__main__":
    main()
