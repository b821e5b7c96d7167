"""GPS on ZINC-12k with PyG's own parts: `GPSConv`, `GINEConv`, `AddRandomWalkPE`, `DataLoader`.

The peer of `model=gps dataset=zinc`: the same hyper-parameters and schedule, none of our code. The
benchmarks take its model; run as a script it trains and prints one line per seed.
"""

import argparse
import csv
import math
import os
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.datasets import ZINC
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINEConv, GPSConv, global_add_pool
from torch_geometric.transforms import AddRandomWalkPE


class PyGGPS(nn.Module):
    """10 layers of `GPSConv(GINEConv)`, width 64, RWSE 20 → 28, summed read-out, 423,717 parameters."""

    def __init__(self, dim: int = 64, layers: int = 10, walk: int = 20, pe_dim: int = 28) -> None:
        super().__init__()
        self.atoms, self.bonds = nn.Embedding(28, dim - pe_dim), nn.Embedding(4, dim)
        self.pe = nn.Sequential(nn.BatchNorm1d(walk), nn.Linear(walk, pe_dim))
        self.layers = nn.ModuleList(
            GPSConv(
                dim,
                GINEConv(nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))),
                heads=4,
                attn_kwargs={"dropout": 0.5},
            )
            for _ in range(layers)
        )
        half, quarter = dim // 2, dim // 4
        self.head = nn.Sequential(
            nn.Linear(dim, half), nn.ReLU(), nn.Linear(half, quarter), nn.ReLU(), nn.Linear(quarter, 1)
        )

    def forward(self, data: Data) -> Tensor:
        x = torch.cat([self.atoms(data.x.squeeze(-1)), self.pe(data.pe)], dim=-1)
        e = self.bonds(data.edge_attr)
        for layer in self.layers:
            x = layer(x, data.edge_index, data.batch, edge_attr=e)
        return self.head(global_add_pool(x, data.batch)).squeeze(-1)


def rate(epoch: int, epochs: int, warmup: int) -> float:
    """GraphGPS's learning-rate factor: linear warm-up, then half a cosine to zero, per epoch."""
    if epoch < warmup:
        return max(1e-6, epoch / max(1, warmup))
    return max(0.0, 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / max(1, epochs - warmup))))


@torch.no_grad()
def mean_absolute_error(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    errors = torch.cat([(model(data) - data.y).abs() for data in loader])
    return float(errors.double().mean())


def load(folder: Path) -> dict[str, ZINC]:
    """The three splits with the random-walk encoding, raw files linked from GNNLAB_MIRROR where that is set."""
    mirror = os.environ.get("GNNLAB_MIRROR")
    if mirror and not (folder / "raw").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "raw").symlink_to((Path(mirror) / "ZINC" / "raw").resolve())
    walk = AddRandomWalkPE(20, attr_name="pe")
    return {
        split: ZINC(str(folder), subset=True, split=split, pre_transform=walk) for split in ("train", "val", "test")
    }


def train(seed: int, epochs: int, warmup: int, splits: dict[str, ZINC]) -> dict[str, float]:
    """Validation and test MAE at the epoch of the best validation MAE."""
    torch.manual_seed(seed)
    model = PyGGPS()
    loaders = {name: DataLoader(split, batch_size=32, shuffle=name == "train") for name, split in splits.items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: rate(epoch, epochs, warmup))
    best = {"val_mae": math.inf, "test_mae": math.inf}
    start = time.perf_counter()
    for _ in range(epochs):
        model.train()
        for data in loaders["train"]:
            optimizer.zero_grad()
            (model(data) - data.y).abs().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()
        val = mean_absolute_error(model, loaders["val"])
        if val < best["val_mae"]:
            best = {"val_mae": val, "test_mae": mean_absolute_error(model, loaders["test"])}
    return best | {"seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "gnnlab-pyg-zinc")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pyg.csv")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    splits = load(arguments.data)
    for seed in arguments.seeds:
        row = {"seed": seed, "epochs": arguments.epochs, **train(seed, arguments.epochs, arguments.warmup, splits)}
        print(row, flush=True)
        new = not arguments.out.exists()
        with arguments.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    main()
