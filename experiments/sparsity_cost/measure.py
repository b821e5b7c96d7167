"""What do edges that are gone save? `python experiments/sparsity_cost/measure.py FOLDER`

A random graph of 100,000 nodes and 2,000,000 directed edges, 64 features, ten classes: a GCN and a GAT of two layers
train on it whole, and without edges that `sparsifier=random` left out. Every run is a process of its own. Time is the
median of its epochs after the first; memory is what the process had at most, from its start to its end.
"""

import csv
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch_geometric.utils import to_undirected

from gnnlab.results.style import COLORS, LOOK, save

HERE, REPO = Path(__file__).parent, Path(__file__).parents[2]
NODES, EDGES, FEATURES, CLASSES = 100_000, 2_000_000, 64, 10
CONVS, KEEPS, EPOCHS = ("gcn", "gat"), (1.0, 0.7, 0.5, 0.3, 0.1), 8


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
    make_graph(folder / "graph")
    rows = [measured(folder, conv, keep) for conv, keep in product(CONVS, KEEPS)]
    with (HERE / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(" | ".join(rows[0]), *(" | ".join(map(str, row.values())) for row in rows), sep="\n")
    draw(rows)


def make_graph(folder: Path) -> None:
    """`graphs.pt` as dataset=folder_nodes reads it."""
    torch.manual_seed(0)
    ends = torch.randint(NODES, (2, EDGES // 2))
    edges = to_undirected(ends[:, ends[0] != ends[1]], num_nodes=NODES)
    split = torch.arange(NODES) % 5
    data = {"x": torch.randn(NODES, FEATURES), "edge_index": edges, "y": torch.randint(CLASSES, (NODES,))}
    masks = {"train_mask": split < 3, "val_mask": split == 3, "test_mask": split == 4}
    folder.mkdir(parents=True, exist_ok=True)
    torch.save([{**data, **masks}], folder / "graphs.pt")


def measured(folder: Path, conv: str, keep: float) -> dict[str, Any]:
    """One run of `train.py`."""
    out = folder / f"{conv}-{keep}"
    sparsifier = [] if keep == 1 else ["sparsifier=random", f"sparsifier.keep={keep}"]
    command = [
        *(sys.executable, "train.py", "model=mpnn", f"model/conv={conv}", "model/head=flat", "encoding=[]"),
        *("model.num_layers=2", "model.hidden_dim=64", "dataset=folder_nodes", f"dataset.path={folder / 'graph'}"),
        *("dataset.target=multiclass", f"data.root={folder / 'data'}", f"out={out}", f"trainer.max_epochs={EPOCHS}"),
        *("resume=auto", "logger=[csv]", "trainer.progress=false", "preset=none", *sparsifier),
    ]
    subprocess.run(command, cwd=REPO, check=True)
    (found,) = out.glob("*/*/result.json")
    result = json.loads(found.read_text())
    with (found.parent / "timing.csv").open() as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return {
        "conv": conv,
        "edges_kept": keep,
        "seconds_per_epoch": round(median(seconds[1:]), 3),
        "peak_memory_mb": round(result["peak_memory_mb"]),
        "threads": result["environment"]["threads"],
        "cpu": result["environment"]["cpu"],
    }


def draw(rows: list[dict[str, Any]]) -> None:
    """Time and memory over the share of edges, as shares of the dense run's."""
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(7.0, 3.0), layout="constrained")
        for ax, (column, title) in zip(
            figure.subplots(1, 2),
            (("seconds_per_epoch", "time of an epoch"), ("peak_memory_mb", "peak memory")),
            strict=True,
        ):
            for color, conv in zip(COLORS, CONVS, strict=False):
                own = [row for row in rows if row["conv"] == conv]
                ax.plot(
                    [row["edges_kept"] for row in own],
                    [row[column] / own[0][column] for row in own],
                    color=color, marker="o", markersize=4, label=conv.upper(),
                )  # fmt: skip
            ax.set(title=title, xlabel="edges kept", ylabel="share of the dense run", xlim=(1.02, 0), ylim=(0, 1.4))
            ax.legend(frameon=False)
        save(figure, HERE / "saved.png")


if __name__ == "__main__":
    main()
