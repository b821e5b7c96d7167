"""The formats of a folder of your own graphs: tables, one torch file, or for a large graph arrays.

Tables, with these columns (`x…` stands for any names that begin with x):

    graphs.csv   y…, split                    one row a graph: number 0, 1, 2, …
    nodes.csv    graph, x…, y…, split         one row a node: number 0, 1, 2, … within its graph
    edges.csv    graph, source, target, e…    one row an edge, in one direction or in both

Whole numbers in all columns of x… or e… are categories, from 0; a single decimal point makes them real. The `y…` of
graphs lie in graphs.csv, those of nodes in nodes.csv. `split` is train, val or test: of graphs, or in nodes.csv of
nodes. One graph alone needs no graphs.csv and no column `graph`.

The torch file, `graphs.pt`, is a list of `torch_geometric.data.Data`, or of what their `to_dict()` gives: x,
edge_index, edge_attr, y, and `split`, or for nodes `train_mask`, `val_mask` and `test_mask`. All but y may be missing.

Arrays of one graph with targets of its nodes, as `numpy.save` writes them: edge_index.npy [2, E], y.npy [N] or [N, T],
x.npy [N, d], edge_attr.npy [E, d], split.npy [N] (0 train, 1 val, 2 test, else none). All but the first two may miss.
Nothing copies x (float32 or int64): it may be larger than memory, in training too with `loader=neighbours`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from gnnlab.datasets.base import SPLITS
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import Level

ARRAYS = ("edge_index", "x", "y", "split", "edge_attr")
FILES = ("graphs.pt", "graphs.csv", "nodes.csv", "edges.csv", *(f"{name}.npy" for name in ARRAYS))
torch.serialization.add_safe_globals([DataEdgeAttr, DataTensorAttr, GlobalStorage])  # parts of Data, which PyG allows


def read_folder(folder: Path, level: Level) -> Packed:
    """The graphs in the folder; the splits that it tells are the attribute `split` of graphs or of nodes."""
    if (folder / "graphs.pt").is_file():
        return read_torch(folder / "graphs.pt", level)
    return read_arrays(folder) if (folder / "edge_index.npy").is_file() else read_tables(folder)


def read_torch(path: Path, level: Level) -> Packed:
    loaded = torch.load(path, weights_only=True)
    given = [one if isinstance(one, dict) else one.to_dict() for one in loaded]
    graphs = Packed.from_graphs([Data.from_dict(one) for one in given], level)
    masks = [graphs.node.pop(f"{split}_mask", None) for split in SPLITS]
    if all(mask is not None for mask in masks):
        graphs.node["split"] = torch.stack([mask for mask in masks if mask is not None]).int().argmax(0)
    graphs.graph.update(numbered([one.get("split") for one in given]))
    return graphs


def read_arrays(folder: Path) -> Packed:
    """The rows of nodes stay in their files, mapped into memory."""
    files = {name: path for name in ARRAYS if (path := folder / f"{name}.npy").is_file()}
    found = {name: torch.from_numpy(np.load(path, mmap_mode="c")) for name, path in files.items()}
    edge_index = found.pop("edge_index")
    edge = {"edge_attr": found.pop("edge_attr")} if "edge_attr" in found else {}
    if "y" not in found:
        raise UsageError("y.npy is missing")
    num_nodes, num_edges = torch.tensor([len(found["y"])]), torch.tensor([edge_index.shape[1]])
    return Packed.from_tensors(num_nodes, num_edges, edge_index, found, edge)


def read_tables(folder: Path) -> Packed:
    import pandas as pd

    for file in ("nodes.csv", "edges.csv"):
        if not (folder / file).is_file():
            raise UsageError(
                f"{file} is missing; a folder holds nodes.csv, edges.csv and graphs.csv, or graphs.pt, or arrays"
            )
    alone = not (folder / "graphs.csv").is_file()
    graphs = pd.DataFrame(index=[0]) if alone else read_table(folder / "graphs.csv", (), "y")
    nodes = sorted_by_graph(folder / "nodes.csv", len(graphs), (), "xy")
    edges = sorted_by_graph(folder / "edges.csv", len(graphs), ("source", "target"), "e")
    return Packed.from_tensors(
        torch.from_numpy(np.bincount(nodes["graph"], minlength=len(graphs))),
        torch.from_numpy(np.bincount(edges["graph"], minlength=len(graphs))),
        torch.from_numpy(edges[["source", "target"]].to_numpy(np.int64).T.copy()),
        node={**columns(nodes, "x", "x"), **columns(nodes, "y", "y"), **numbered(nodes.get("split", []))},
        edge=columns(edges, "e", "edge_attr"),
        graph={**columns(graphs, "y", "y"), **numbered(graphs.get("split", []))},
    )


def read_table(path: Path, needed: tuple[str, ...], letters: str) -> Any:
    """A table with the columns `needed`, and others that begin with one of these letters: numbers."""
    import pandas as pd

    found = pd.read_csv(path)
    for name in needed:
        if name not in found:
            raise UsageError(f"{path.name} has no column {name!r}; it has: {', '.join(found)}")
    for name in found:
        if name[0] in letters and name not in needed:
            numbers: Any = pd.to_numeric(found[name], errors="coerce")
            wrong = numbers.isna() & found[name].notna()
            if wrong.any():
                row = int(wrong.argmax())
                raise UsageError(f"{path.name}, line {row + 2}, column {name}: {found[name][row]!r} is no number")
        elif name not in ("graph", "split", *needed):
            begins = f"begins with none of {', '.join(letters)}"
            raise UsageError(f"{path.name} has a column {name!r}, which {begins}: {letters[0]}_{name}? Or drop it")
    return found


def sorted_by_graph(path: Path, num_graphs: int, needed: tuple[str, ...], letters: str) -> Any:
    """A table with the column `graph` and those `needed`, graph after graph."""
    table = read_table(path, ("graph", *needed) if num_graphs > 1 else needed, letters)
    if "graph" not in table:
        table["graph"] = 0
    if not table["graph"].between(0, num_graphs - 1).all():
        raise UsageError(f"{path.name} names a graph that is not one of the {num_graphs}: number 0 … {num_graphs - 1}")
    return table.sort_values("graph", kind="stable")


def columns(rows: Any, letter: str, name: str) -> dict[str, Tensor]:
    """The columns that begin with `letter`, as one attribute; whole numbers as int64. Nothing where there are none."""
    chosen = rows[[column for column in rows if column.startswith(letter)]].to_numpy()
    if chosen.shape[1] == 0:
        return {}
    whole = np.issubdtype(chosen.dtype, np.integer)
    return {name: torch.from_numpy(chosen.astype(np.int64 if whole else np.float32))}


def numbered(splits: Any) -> dict[str, Tensor]:
    """The names of splits as the attribute `split` of numbers. Nothing where there are none."""
    splits = list(splits)
    if all(split is None for split in splits):
        return {}
    for split in splits:
        if split not in SPLITS:
            missing = "a row has no split" if split != split else f"there is no split {split!r}"
            raise UsageError(f"{missing}; train, val or test")
    return {"split": torch.tensor([SPLITS.index(split) for split in splits])}
