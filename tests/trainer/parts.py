"""Real models on any number of processes, in double precision; without dropout, a part of the batch to each."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from gnnlab import compose, prepare
from gnnlab.config import build
from gnnlab.datasets.base import node_splits
from gnnlab.packed import Packed
from gnnlab.testing import _double, random_graph
from gnnlab.trainer import distributed
from tests.composition.tiny import Graphs, PlainNodes

QUICK = (
    "preset=none encoding=[] model.dropout=0 model.num_layers=2 model.hidden_dim=8 optimizer.lr=1e-2 logger=[] "
    "allow=[parts] trainer.max_epochs=3 trainer.device=cpu trainer.progress=false data.root=data"
).split()
CASES = {
    "gps": "model=gps encoding=[rwse] encoding.rwse.dim=4 model.mixer.num_heads=2 model.mixer.dropout=0",
    "gin": "model=gin",
    "gcn": "model=gcn",
    "gatedgcn": "model=gatedgcn trainer.accumulate=2 trainer.ema=0.9",
    "virtual_node": "model=gine model.virtual_node=sum",
    "padded": "model=gatedgcn trainer.pad=2",
    "one_graph": "dataset=one model=gcn",
    "neighbours": "dataset=one model=graphsage model.norm=none loader=neighbours loader.fanouts=[99,99] "
    "loader.batch_size=9",
    "pruned": "model=gin pruning=rate_distortion pruning.keep=0.5",
    "snowflake": "dataset=one model=gcn aggregation=snowflake aggregation.beta=0.1",
}


@dataclass(frozen=True)
class Molecules(Graphs):
    """22 of them: in batches of 7 the last one is a single graph, and the part of rank 1 is empty."""

    def build(self) -> dict[str, Packed]:
        random = torch.Generator().manual_seed(0)
        graphs = [random_graph(4 + i % 7, 3 * (4 + i % 7), random) for i in range(22)]
        for graph in graphs:
            graph.y = self.targets(1, random)
        return dict.fromkeys(("train", "val", "test"), Packed.from_graphs(graphs))


@dataclass(frozen=True)
class One(PlainNodes):
    """One graph of 64 nodes, 22 of them to train on: as a whole it is the part of rank 0."""

    gives: ClassVar[tuple[str, ...]] = ("node_level", "undirected", "one_graph")

    def build(self) -> dict[str, Packed]:
        random = torch.Generator().manual_seed(0)
        graph, part = random_graph(64, 160, random), torch.arange(64) % 3
        masks = {name: part == number for number, name in enumerate(("train", "val", "test"))}
        assert graph.x is not None
        return node_splits(graph.edge_index, graph.x, self.targets(64, random), masks)


def train(case: str, folder: Path) -> dict:
    """What becomes of a case: weights, history, test and best epoch."""
    data = [
        f"data.root={folder}/data",
        *([] if "dataset" in CASES[case] else ["dataset=molecules", "loader.batch_size=7"]),
    ]
    cfg = compose(*QUICK, *data, *CASES[case].split(), config_dir=folder.parent / "conf")
    made = prepare(cfg)
    loaders = {name: loader.over(_double(loader.packed)) for name, loader in made.loaders.items()}
    parts = (build(cfg.optimizer), build(cfg.scheduler), [], folder)
    result = build(cfg.trainer).fit(made.model.double(), made.task, loaders, *parts, made.phases)
    return {
        "weights": made.model.state_dict(),
        "history": result.history,
        "test": result.test,
        "best_epoch": result.best_epoch,
    }


def train_all(cases: list[str], folder: Path, environment: dict[str, str]) -> None:
    """So many cases, as one of several processes; leaves all.<rank>.pt."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    with distributed.team():
        found = {}
        for case in cases:
            (folder / case).mkdir(exist_ok=True, parents=True)
            found[case] = train(case, folder / case)
    torch.save(found, folder / f"all.{distributed.rank()}.pt")
