"""A graph of two million nodes with features that nobody holds in memory, as arrays for `dataset=folder_graph`.

    python experiments/out_of_core/make_graph.py FOLDER

Ten classes. Half of the edges of a node stay in its class; its features [128] are its class's centre in noise
that hides it: one node alone tells its class badly, its neighbours together well. Of the nodes 5 % are to train on,
1 % to validate, 1 % to test. Written 100,000 nodes at a time: 1.0 GB.
"""

import argparse
from pathlib import Path

import numpy as np

CLASSES, DIM, CHUNK, NOISE = 10, 128, 100_000, 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=2_000_000)
    parser.add_argument("--edges", type=int, default=10_000_000, help="undirected")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)

    y = np.arange(asked.nodes) % CLASSES
    np.save(asked.folder / "y.npy", y)
    np.save(asked.folder / "split.npy", random.choice(4, asked.nodes, p=[0.05, 0.01, 0.01, 0.93]).astype(np.int8))

    source, target = random.integers(0, asked.nodes, (2, asked.edges))
    alike = random.random(asked.edges) < 0.5
    target[alike] += y[source[alike]] - y[target[alike]]
    np.save(asked.folder / "edge_index.npy", np.stack([source, target.clip(0, asked.nodes - 1)]))

    centres = random.standard_normal((CLASSES, DIM), np.float32)
    x = np.lib.format.open_memmap(asked.folder / "x.npy", "w+", np.float32, (asked.nodes, DIM))
    for first in range(0, asked.nodes, CHUNK):
        rows = centres[y[first : first + CHUNK]]
        x[first : first + CHUNK] = rows + NOISE * random.standard_normal(rows.shape, np.float32)
    x.flush()


if __name__ == "__main__":
    main()
