"""All runs of the study, one after the other, each written into `runs.csv` beside this file once it is complete. What
is there is passed over: stop it at any time, and go on in another folder or on another machine.

python experiments/snowflake/study.py --out runs/snowflake --datasets texas --backbones gcn
"""

import argparse
import csv
import fcntl
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import gnnlab
from gnnlab.config.asked import key_of
from gnnlab.config.hashing import decides
from gnnlab.trained import TrainedRun

RUNS = Path(__file__).with_name("runs.csv")
DATASETS = {
    "texas": ("texas_undirected", 183),
    "cornell": ("cornell_undirected", 183),
    "wisconsin": ("wisconsin_undirected", 251),
    "actor": ("actor_undirected", 7600),
    "chameleon_filtered": ("chameleon_filtered", 890),
    "squirrel_filtered": ("squirrel_filtered", 2223),
    "minesweeper": ("minesweeper", 10_000),
    "cora": ("cora_geom_gcn", 2708),
}
"""Each with its number of nodes N, of which β is made."""
STACK = ["model=mpnn", "model.norm=batch", "model.residual=false"]
BACKBONES = {
    "gcn": [*STACK, "model/conv=gcn", "model/head=flat"],
    "gat": [*STACK, "model/conv=gat", "model/head=flat"],
    "jknet": [*STACK, "model/conv=gcn", "model/head=jumping"],
    "gcnii": ["model=gcnii"],
}


class Setting(NamedTuple):
    """A run of the study, as the first columns of `runs.csv` name it; `beta` is "" where the policy has none."""

    dataset: str
    backbone: str
    depth: str
    aggregation: str
    beta: str
    split: str

    def choices(self) -> list[str]:
        beta = [f"aggregation.beta={self.beta}"] if self.beta else []
        backbone = [*BACKBONES[self.backbone], f"model.num_layers={self.depth}"]
        return [f"dataset={DATASETS[self.dataset][0]}", f"dataset.fold={self.split}", *backbone, *beta]

    def run(self, out: str, overrides: list[str]) -> TrainedRun:
        places = [f"aggregation={self.aggregation}", f"out={out}", "resume=auto"]
        return gnnlab.run(gnnlab.compose("experiment=snowflake", *self.choices(), *places, *overrides))


def settings(asked: argparse.Namespace) -> Iterator[Setting]:
    """What is asked for; of the snowflake two β, that of some fifty nodes in reach and that of all, 1/N."""
    lists = (asked.datasets, asked.backbones, asked.depths, asked.policies)
    for dataset, backbone, depth, policy in product(*(chosen.split(",") for chosen in lists)):
        betas = ["0.02", f"{1 / DATASETS[dataset][1]:.2g}"] if policy == "snowflake" else [""]
        for split, beta in product(range(asked.splits), betas):
            yield Setting(dataset, backbone, depth, policy, beta, str(split))


def recorded() -> set[Setting]:
    """The settings in `runs.csv`."""
    with RUNS.open(newline="") as file:
        head, *rows = csv.reader(file)
    return {Setting(*row[: len(Setting._fields)]) for row in rows if len(row) == len(head)}


def record(setting: Setting, run: TrainedRun) -> None:
    """Write a complete run down, once: two processes may work at the study, each at data sets of its own."""
    method = run.result.get("method") or {}
    row = {
        **setting._asdict(),
        "val": run.metric("val"),
        "test": run.metric("test"),
        "depth_mean": method.get("depth_mean"),
        "edges_kept": method.get("edges_kept"),
        "seconds": round(run.result["seconds"], 1),
        "commit": (run.result["code"].get("commit") or "")[:9],
    }
    with RUNS.open("a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if setting not in recorded():
            csv.DictWriter(file, row, lineterminator="\n").writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/snowflake")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--policies", default="none,snowflake")
    parser.add_argument("--depths", default="2,8,32")
    parser.add_argument("--splits", type=int, default=5, help="how many of the ten, from the first")
    parser.add_argument("overrides", nargs="*", help="where and how, not what: data.root=…, logger=[csv]")
    asked = parser.parse_args()
    if other := [text for text in asked.overrides if decides(key_of(text))]:
        parser.error(f"{' '.join(other)} would make other runs than the study's: {RUNS.name} cannot tell them apart")
    for setting in settings(asked):
        if setting not in recorded():
            record(setting, setting.run(asked.out, asked.overrides))


if __name__ == "__main__":
    main()
