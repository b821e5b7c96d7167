"""Folders of graphs as a user may have them."""

from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data

GRAPHS = "y,y2,split\n0.5,1,train\n1.5,2,test\n2.5,3,val\n"
NODES = "graph,x_type,x_ring\n0,0,1\n2,2,1\n0,1,0\n1,3,0\n2,0,0\n0,1,1\n"
EDGES = "graph,source,target,e_length\n0,0,1,0.5\n0,1,0,0.25\n2,0,1,2\n0,2,1,4\n"


def write(folder: Path, **tables: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return str(folder)


def saved(folder: Path, graphs: Any) -> str:
    folder.mkdir()
    torch.save(graphs, folder / "graphs.pt")
    return str(folder)


def with_masks(**change: Any) -> Data:
    """Four nodes, the first three each in one split."""
    masks = {f"{split}_mask": torch.eye(4)[i].bool() for i, split in enumerate(("train", "val", "test"))}
    one = {"x": torch.ones(4, 2), "edge_index": torch.tensor([[0], [1]]), "y": torch.tensor([0, 1, 1, 0])}
    return Data(**{name: value for name, value in {**one, **masks, **change}.items() if value is not None})
