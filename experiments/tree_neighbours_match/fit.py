"""How much of the training trees of Tree-NeighborsMatch a model can fit in a number of CPU seconds of one thread.

python experiments/tree_neighbours_match/fit.py --depth 4 --seconds 40 model=mpnn model/conv=gin

Adam whose rate halves where the loss has not fallen for 10 epochs, as in the release; stops early where all is fitted.
"""

import argparse
import csv
import sys
import time

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gnnlab import compose, prepare
from gnnlab.prepared import Prepared

SETTING = ["dataset=tree_neighbours_match", "preset=none", "model/head=flat", "encoding=[]", "model.hidden_dim=32"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--trees", type=int, default=4000)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("overrides", nargs="+")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    size = [f"dataset.depth={asked.depth}", f"dataset.num_trees={asked.trees}", f"model.num_layers={asked.depth + 1}"]
    made = prepare(compose(*SETTING, *size, "loader.batch_size=256", "logger=[]", *asked.overrides))
    optimizer = torch.optim.Adam(made.model.parameters(), asked.lr)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=10)
    began, epoch, accuracy, loss = time.process_time(), 0, 0.0, 0.0
    while time.process_time() - began < asked.seconds and accuracy < 1:
        made.model.train()
        loss = steps(made, epoch, optimizer)
        scheduler.step(loss)
        epoch += 1
        if epoch % 5 == 0:
            accuracy = score(made, "train")
    row = [asked.depth, asked.trees, " ".join(asked.overrides), asked.lr, epoch, f"{loss:.3f}"]
    csv.writer(sys.stdout).writerow([*row, f"{score(made, 'train'):.3f}", f"{score(made, 'test'):.3f}"])


def steps(made: Prepared, epoch: int, optimizer: torch.optim.Optimizer) -> float:
    """One epoch of training; its mean loss."""
    total = items = 0
    for batch in made.loaders["train"].epoch(epoch):
        optimizer.zero_grad()
        loss = made.task.loss(made.model(batch), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.model.parameters(), 1.0)
        optimizer.step()
        count = made.task.count(batch)
        total, items = total + loss.item() * count, items + count
    return total / items


@torch.no_grad()
def score(made: Prepared, split: str) -> float:
    """Accuracy on a split, in evaluation mode."""
    made.model.eval()
    parts = [made.task.predictions(made.model(batch), batch) for batch in made.loaders[split].epoch(0)]
    out, y = (torch.cat(rows) for rows in zip(*parts, strict=True))
    return made.task.score(out, y)["accuracy"]


if __name__ == "__main__":
    main()
