"""The formats of a folder of your own graphs: tables, one torch file, or for a large graph arrays.

A folder holds the files of one format. Tables, with these columns (`x…` stands for any names that begin with x):

    graphs.csv   y…, split                    one row a graph: number 0, 1, 2, …
    nodes.csv    graph, x…, y…, split         one row a node: number 0, 1, 2, … within its graph
    edges.csv    graph, source, target, e…    one row an edge, in one direction or in both

Whole numbers in all columns of x… or e… are categories, from 0 and below 100,000; a single decimal point makes them
real. The `y…` of graphs lie in graphs.csv, those of nodes in nodes.csv; `dataset.target` says what they are: regression
(any numbers), binary (0 or 1), multiclass (one of 0, 1, 2, …) or multilabel (0, 1, or empty where unknown). `split` is
train, val, test, or none to be in no split. It goes with y; nodes can have that of their graphs instead. Where there is
none it is drawn. One graph alone needs no graphs.csv and no column `graph`.

The torch file, `graphs.pt`, is a list of `torch_geometric.data.Data`, or of what their `to_dict()` gives, or one alone:
x, edge_index, edge_attr, y, and `split`, for each graph one of the four words. For targets of nodes it can be
`train_mask`, `val_mask` and `test_mask`, all three: one column each and no node in two; a node in none is in no split.
All but y may be missing.

Arrays of one graph with targets of its nodes, as `numpy.save` writes them: edge_index.npy [2, E], y.npy [N] or [N, T],
x.npy [N, d], edge_attr.npy [E, d], split.npy [N] (0 train, 1 val, 2 test, else none). All but the first two may miss.
Nothing copies x (float32 or int64): it may be larger than memory, in training too with `loader=neighbours`.
"""

import logging
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from gnnlab.config.nearest import nearest
from gnnlab.datasets.base import SPLITS
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import Level

notice = logging.getLogger(__name__)

TORCH = ("graphs.pt",)
TABLES = ("nodes.csv", "edges.csv", "graphs.csv")
ARRAYS = ("edge_index.npy", "y.npy", "x.npy", "edge_attr.npy", "split.npy")
MASKS = tuple(f"{split}_mask" for split in SPLITS)
NAMES = (*SPLITS, "none")
"""The splits by their number."""
HASHED = 1 << 25
"""The largest file in bytes whose contents are hashed."""
torch.serialization.add_safe_globals([DataEdgeAttr, DataTensorAttr, GlobalStorage])  # parts of Data, which PyG allows


def files_of(folder: Path) -> list[Path]:
    """The files in the folder that are read."""
    return [folder / file for file in TORCH + TABLES + ARRAYS if (folder / file).is_file()]


def size_and_time(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]


def contents(file: Path) -> str | list[int]:
    """A hash of a file, which a copy has too; of a large one only the size and time."""
    return sha256(file.read_bytes()).hexdigest()[:16] if file.stat().st_size <= HASHED else size_and_time(file)


def read_folder(folder: Path, level: Level) -> Packed:
    """The graphs in the folder; the splits that it tells are the attribute `split` of graphs or of nodes."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder.resolve()}")
    names = [file.name for file in files_of(folder)]
    formats = [files for files in (TORCH, TABLES, ARRAYS) if {*files} & {*names}]
    if len(formats) > 1:
        raise UsageError(f"it holds {', '.join(names)}, which are {len(formats)} formats: leave the files of one")
    if TORCH in formats:
        return read_torch(folder / "graphs.pt", level)
    return read_arrays(folder) if ARRAYS in formats else read_tables(folder)


def read_torch(path: Path, level: Level) -> Packed:
    loaded = torch.load(path, weights_only=True)
    given = []
    for one in [loaded] if isinstance(loaded, (dict, Data)) else loaded:
        if not isinstance(one, (dict, Data)):
            raise UsageError(f"graphs.pt is a {type(loaded).__name__} with a {type(one).__name__}, not a list of Data")
        given.append(one if isinstance(one, dict) else one.to_dict())
    graphs = Packed.from_graphs([Data.from_dict(one) for one in given], level)
    masks = {name: graphs.node.pop(name, None) for name in MASKS if any(one.get(name) is not None for one in given)}
    if masks:
        graphs.node["split"] = split_of(masks)
    graphs.graph.update(numbered([one.get("split") for one in given]))
    return graphs


def split_of(masks: dict[str, Tensor | None]) -> Tensor:
    """[N] the number of the split that each node is in, by its masks [N]."""
    if missing := [name for name in MASKS if name not in masks]:
        raise UsageError(f"graphs.pt has {' and '.join(masks)}, but no {' and no '.join(missing)}: all three, or none")
    columns = []
    for name, mask in masks.items():
        if mask is None or mask.dim() != 1:
            raise UsageError(f"{name} is not one value a node; one of several splits is {name}[:, 0]")
        columns.append(mask.bool())
    train, val, test = columns
    if (twice := (train & val) | (train & test) | (val & test)).any():
        raise UsageError(
            f"{int(twice.sum())} nodes are in two of {', '.join(MASKS)}; node {int(twice.nonzero()[0])} is"
        )
    return torch.stack([train, val, test, ~(train | val | test)]).int().argmax(0)


def read_arrays(folder: Path) -> Packed:
    """The rows of nodes stay in their files, mapped into memory."""
    found = {file.stem: torch.from_numpy(np.load(file, mmap_mode="c")) for file in files_of(folder)}
    for name in ("edge_index", "y"):
        if name not in found:
            raise UsageError(f"{name}.npy is missing")
    edge_index = found.pop("edge_index")
    if edge_index.is_floating_point() or edge_index.shape[:-1] != (2,):
        raise UsageError(f"edge_index.npy is {edge_index.dtype} {list(edge_index.shape)}, not whole numbers [2, E]")
    edge = {"edge_attr": found.pop("edge_attr")} if "edge_attr" in found else {}
    if "split" in found and found["split"].dim() != 1:
        raise UsageError(f"split.npy has the shape {list(found['split'].shape)}, not [N]")
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
    if not len(graphs):
        raise UsageError("graphs.csv has no rows: one a graph, or no such file for a single graph")
    if "graph" in graphs and (graphs["graph"] != graphs.index).any():
        raise UsageError("the rows of graphs.csv are those of graph 0, 1, 2, …: sort them, or drop the column 'graph'")
    nodes = sorted_by_graph(folder / "nodes.csv", len(graphs), (), "xy")
    edges = sorted_by_graph(folder / "edges.csv", len(graphs), ("source", "target"), "e")
    if not len(edges):
        notice.warning("%s has no rows: no node has a neighbour.", folder / "edges.csv")
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
    found = rows_of(path)
    for name in needed:
        if name not in found:
            raise UsageError(f"{path.name} has no column {name!r}; it has: {', '.join(found)}")
    for name in found:
        if (whole := name in ("graph", *needed)) or name[:1] in {*letters}:
            found[name] = numbers(path, found[name], whole, gaps=name[:1] == "y")
        elif name != "split":
            meant = nearest(name, ("split", "graph", *needed)) or f"{letters[0]}_{name}"
            begins = f"begins with none of {', '.join(letters)}"
            raise UsageError(f"{path.name} has a column {name!r}, which {begins}: {meant}? Or drop it")
    return found


def rows_of(path: Path) -> Any:
    """A table as it is written, a value for each name of its header in every row."""
    import pandas as pd
    from pandas.errors import EmptyDataError, ParserError, ParserWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            return pd.read_csv(path, index_col=False, skipinitialspace=True)
    except EmptyDataError:
        raise UsageError(f"{path.name} is empty: its first line names its columns") from None
    except ParserWarning:
        raise UsageError(f"{path.name}, line 2: more values than names in the header") from None
    except (ParserError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: {str(error).strip()}") from None


def numbers(path: Path, column: Any, whole: bool, gaps: bool) -> Any:
    """The numbers of a column, as int64 where they are `whole`; with `gaps` some may be missing."""
    import pandas as pd

    found: Any = pd.to_numeric(column, errors="coerce")
    wrong = found.isna() & (column.notna() | (not gaps)) | np.isinf(found)
    if whole:
        wrong |= found % 1 != 0
    if wrong.any():
        row = int(wrong.argmax())
        value = "an empty cell or NaN" if pd.isna(column[row]) else repr(str(column[row]))
        kind = "whole number" if whole else "number"
        raise UsageError(f"{path.name}, line {row + 2}, column {column.name}: {value} is not a {kind}")
    return found.astype("int64") if whole else found


def sorted_by_graph(path: Path, num_graphs: int, needed: tuple[str, ...], letters: str) -> Any:
    """A table with the column `graph` and those `needed`, graph after graph."""
    table = read_table(path, ("graph", *needed) if num_graphs > 1 else needed, letters)
    if "graph" not in table:
        table["graph"] = 0
    if not table["graph"].between(0, num_graphs - 1).all():
        if not path.with_name("graphs.csv").is_file():
            raise UsageError(f"{path.name} names several graphs, and graphs.csv is missing: a row a graph")
        raise UsageError(f"{path.name} names a graph that is not one of the {num_graphs}: number 0 … {num_graphs - 1}")
    return table.sort_values("graph", kind="stable")


def columns(rows: Any, letter: str, name: str) -> dict[str, Tensor]:
    """The columns that begin with `letter`, as one attribute; whole numbers as int64. Nothing where there are none."""
    chosen = rows[[column for column in rows if column.startswith(letter)]]
    if chosen.shape[1] == 0:
        return {}
    whole = [column for column, dtype in chosen.dtypes.items() if np.issubdtype(dtype, np.integer)]
    if letter != "y" and 0 < len(whole) < chosen.shape[1]:
        others = ", ".join(column for column in chosen if column not in whole)
        notice.warning("%s: real numbers, no categories, because %s are none.", ", ".join(whole), others)
    dtype = np.int64 if len(whole) == chosen.shape[1] else np.float32
    return {name: torch.from_numpy(chosen.to_numpy().astype(dtype))}


def numbered(splits: Any) -> dict[str, Tensor]:
    """The names of splits as the attribute `split` of numbers. Nothing where there are none."""
    splits = list(splits)
    if all(split is None for split in splits):
        return {}
    for split in splits:
        if split not in NAMES:
            missing = "a row has no split" if split is None or split != split else f"there is no split {split!r}"
            raise UsageError(f"{missing}; train, val, test or none")
    return {"split": torch.tensor([NAMES.index(split) for split in splits])}
