"""A folder of one's own graphs: all formats give the same data."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gnnlab.cache import Cache
from gnnlab.datasets.folder import Folder, FolderDirected, FolderGraph, FolderNodes, FolderNodesDirected
from gnnlab.datasets.folder_values import divided
from gnnlab.datasets.source import DataSource
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from tests.datasets.folders import EDGES, GRAPHS, NODES, saved, with_masks, write


def as_torch(folder: Path, form) -> str:
    """The graphs of the tables above, saved with torch."""
    folder.mkdir()
    empty = torch.empty(2, 0, dtype=torch.long)
    made = [
        ([[0, 1], [1, 0], [1, 1]], [[0, 1, 2], [1, 0, 1]], [[0.5], [0.25], [4.0]], [0.5, 1.0], "train"),
        ([[3, 0]], empty, torch.empty(0, 1), [1.5, 2.0], "test"),
        ([[2, 1], [0, 0]], [[0], [1]], [[2.0]], [2.5, 3.0], "val"),
    ]
    graphs = [
        Data(*(torch.as_tensor(value) for value in (x, edges, features)), y=torch.tensor([y]), split=split)
        for x, edges, features, y, split in made
    ]
    torch.save([form(graph) for graph in graphs], folder / "graphs.pt")
    return str(folder)


def test_tables(tmp_path: Path, source: DataSource) -> None:
    path = write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES, edges=EDGES)
    splits, spec = Folder(source, path, "regression").load()
    train, val, test = splits.values()
    assert (spec.name, spec.metric, spec.num_targets) == ("mine", "mae", 2)
    assert (spec.node.sizes, spec.edge.kind) == ((4, 2), "continuous")
    assert train.node["x"].tolist() == [[0, 1], [1, 0], [1, 1]], "nodes in the order of their rows"
    assert train.edge_index.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
    assert train.edge["edge_attr"].tolist() == [[0.25], [0.5], [4.0], [4.0]], "one direction of two keeps its own"
    assert (val.num_nodes, val.num_edges, test.num_nodes, test.num_edges) == (2, 2, 1, 0)
    assert torch.cat([packed.graph["y"] for packed in splits.values()]).tolist() == [[0.5, 1], [2.5, 3], [1.5, 2]]
    assert spec.in_degrees == (0, 2, 1)


def test_directed_edges_stay_as_they_are(tmp_path: Path, source: DataSource) -> None:
    path = write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES, edges=EDGES)
    splits, _ = FolderDirected(source, path, "regression").load()
    assert splits["train"].edge_index.tolist() == [[1, 0, 2], [0, 1, 1]]


@pytest.mark.parametrize("form", [Data.to_dict, lambda graph: graph], ids=["dict", "Data"])
def test_the_torch_file_says_the_same_as_the_tables(tmp_path: Path, source: DataSource, form) -> None:
    tables = Folder(source, write(tmp_path / "a", graphs=GRAPHS, nodes=NODES, edges=EDGES), "regression").load()[0]
    loaded = Folder(source, as_torch(tmp_path / "b", form), "regression").load()[0]
    for split, packed in tables.items():
        for kind in ("node", "edge", "graph"):
            for name, value in getattr(packed, kind).items():
                assert torch.equal(value, getattr(loaded[split], kind)[name]), (split, name)
        assert torch.equal(packed.edge_index, loaded[split].edge_index)


def test_nodes_of_one_graph(tmp_path: Path, source: DataSource) -> None:
    nodes = "x,y,split\n1.5,0,train\n2,2,val\n2.5,0,test\n"
    path = write(tmp_path / "mine", nodes=nodes, edges="source,target\n0,1\n1,2\n")
    splits, spec = FolderNodes(source, path, "multiclass").load()
    assert (spec.level, spec.num_targets, spec.metric, spec.node.kind) == ("node", 3, "accuracy", "continuous")
    assert spec.edge.sizes == (1,), "a constant feature"
    assert torch.stack([packed.node["mask"] for packed in splits.values()]).tolist() == torch.eye(3).bool().tolist()
    directed, _ = FolderNodesDirected(source, path, "multiclass").load()
    assert (splits["val"].num_edges, directed["val"].num_edges) == (4, 2)


@pytest.mark.parametrize(
    "form", [lambda one: [one.to_dict()], lambda one: one, Data.to_dict], ids=["list", "Data", "dict"]
)
def test_masks_of_the_torch_file(tmp_path: Path, source: DataSource, form) -> None:
    splits, _ = FolderNodes(source, saved(tmp_path / "mine", form(with_masks())), "multiclass").load()
    assert [packed.node["mask"].nonzero().flatten().tolist() for packed in splits.values()] == [[0], [1], [2]]
    assert set(splits["train"].node) == {"x", "y", "mask"}


def test_what_is_in_no_split(tmp_path: Path, source: DataSource) -> None:
    graphs = GRAPHS.replace("3,val", "3,val\n9.5,4,none")
    splits, _ = Folder(source, write(tmp_path / "a", graphs=graphs, nodes=NODES, edges=EDGES), "regression").load()
    assert [packed.graph["y"].tolist() for packed in splits.values()] == [[[0.5, 1]], [[2.5, 3]], [[1.5, 2]]]
    nodes = "x,y,split\n1.5,0,none\n1.5,0,train\n2,2,val\n2.5,1,test\n"
    splits, _ = FolderGraph(
        source, write(tmp_path / "b", nodes=nodes, edges="source,target\n0,1\n"), "multiclass"
    ).load()
    assert [packed.node["mask"].nonzero().item() for packed in splits.values()] == [1, 2, 3]


def test_attributes_of_one_dimension_are_one_column(tmp_path: Path, source: DataSource) -> None:
    one = with_masks(x=torch.tensor([0, 4, 1, 1]), edge_attr=torch.tensor([0.5]), y=torch.tensor([False, True] * 2))
    splits, spec = FolderGraph(source, saved(tmp_path / "mine", one), "binary").load()
    assert (spec.node.sizes, spec.edge.sizes) == ((5,), (1,))
    assert splits["train"].edge["edge_attr"].tolist() == [[0.5], [0.5]]


def test_arrays_of_one_graph_stay_in_their_file(tmp_path: Path, source: DataSource) -> None:
    (tmp_path / "large").mkdir()
    arrays = {
        "edge_index": np.array([[0, 1, 2], [1, 2, 3]]),
        "x": np.arange(12, dtype=np.float32).reshape(4, 3),
        "y": np.array([0, 1, 2, 0]),
        "split": np.array([0, 0, 1, 2], np.int8),
    }
    for name, array in arrays.items():
        np.save(tmp_path / "large" / f"{name}.npy", array)
    for _ in ("read", "from the cache"):
        splits, spec = FolderGraph(source, str(tmp_path / "large"), "multiclass").load()
        assert (spec.num_targets, spec.node.sizes) == (3, (3,))
        assert [packed.node["mask"].nonzero().flatten().tolist() for packed in splits.values()] == [[0, 1], [2], [3]]
        assert splits["train"].edge_index.tolist() == [[1, 0, 2, 1, 3, 2], [0, 1, 1, 2, 2, 3]]
        assert torch.equal(splits["val"].node["x"], torch.from_numpy(arrays["x"]))
        assert len({packed.node["x"].data_ptr() for packed in splits.values()}) == 1, "one for all splits"
    np.save(tmp_path / "large/split.npy", arrays["split"][:, None])
    with pytest.raises(UsageError, match=r"split\.npy has the shape \[4, 1\], not \[N\]"):
        FolderNodes(source, str(tmp_path / "large"), "multiclass").load()
    np.save(tmp_path / "large/edge_index.npy", arrays["edge_index"] / 2)
    with pytest.raises(UsageError, match=r"edge_index\.npy is torch\.float64 \[2, 3\], not whole numbers \[2, E\]"):
        FolderNodes(source, str(tmp_path / "large"), "multiclass").load()
    (tmp_path / "large/y.npy").unlink()
    with pytest.raises(UsageError, match=r"y\.npy is missing"):
        FolderNodes(source, str(tmp_path / "large"), "multiclass").load()


def test_splits_are_drawn_where_none_are_told(tmp_path: Path, source: DataSource) -> None:
    def drawn(seed: int) -> dict[str, Packed]:
        return Folder(source, path, "binary", seed=seed).load()[0]

    rows = range(50)
    path = write(
        tmp_path / "mine",
        graphs="y\n" + "".join(f"{i % 2}\n" for i in rows),
        nodes="graph,x\n" + "".join(f"{i},{i}\n" for i in rows),
        edges="graph,source,target\n",
    )
    assert [packed.num_graphs for packed in drawn(0).values()] == [40, 5, 5]
    assert torch.cat([packed.node["x"] for packed in drawn(0).values()]).flatten().sort().values.tolist() == list(rows)
    assert not torch.equal(drawn(0)["test"].node["x"], drawn(1)["test"].node["x"])


@pytest.mark.parametrize(("rows", "sizes"), [(3, [1, 1, 1]), (4, [2, 1, 1]), (5, [3, 1, 1]), (6, [4, 1, 1])])
def test_every_split_that_is_drawn_has_a_row(rows: int, sizes: list[int]) -> None:
    for nodes in (torch.ones(rows), torch.tensor([rows])):
        none = torch.zeros(len(nodes), dtype=torch.long), torch.empty(2, 0, dtype=torch.long)
        splits = divided(Packed.from_tensors(nodes, *none), seed=0).values()
        drawn = [int(packed.node["mask"].sum()) if "mask" in packed.node else packed.num_graphs for packed in splits]
        assert drawn == sizes


def test_a_changed_file_is_read_anew(tmp_path: Path, source: DataSource) -> None:
    path = write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES, edges=EDGES)
    Folder(source, path, "regression").load()
    write(tmp_path / "mine", graphs=GRAPHS.replace("0.5", "9.5"))
    assert Folder(source, path, "regression").load()[0]["train"].graph["y"].tolist() == [[9.5, 1.0]]


@pytest.mark.parametrize(("old", "new"), [(",", ", "), ("\n", ",\n")], ids=["blanks", "commas at the end"])
def test_what_spreadsheets_add_is_nothing(tmp_path: Path, source: DataSource, old: str, new: str) -> None:
    tables = {"graphs": GRAPHS, "nodes": NODES, "edges": EDGES}
    for name, text in tables.items():
        head, rows = text.split("\n", 1)
        tables[name] = f"{head.replace(',', new) if old == ',' else head}\n{rows.replace(old, new)}"
    path = write(tmp_path / "mine", **tables)
    assert Folder(source, path, "regression").load()[0]["train"].edge_index.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]


def test_whole_numbers_may_be_written_with_a_point(tmp_path: Path, source: DataSource) -> None:
    nodes = NODES.replace("\n0,", "\n0.0,").replace("\n1,", "\n1.0,").replace("\n2,", "\n2.0,")
    path = write(tmp_path / "mine", graphs=GRAPHS, nodes=nodes, edges=EDGES.replace("0,2,1", "0,2.0,1"))
    assert Folder(source, path, "regression").load()[0]["train"].edge_index.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]


def test_all_its_code_names_what_is_cached(tmp_path: Path, source: DataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    named = []
    monkeypatch.setattr(Cache, "packed", lambda *asked, code: named.extend(code) or asked[-1]())
    Folder(source, write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES, edges=EDGES), "regression").load()
    modules = {part.__module__.removeprefix("gnnlab.datasets.") for part in named}
    assert {"folder", "folder_files", "folder_values"} <= modules


def test_its_state_is_that_of_the_contents(tmp_path: Path, source: DataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", graphs=GRAPHS, nodes=NODES, edges=EDGES)
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copyfile)
    state = {name: Folder(source, str(tmp_path / name), None).state() for name in "ab"}
    assert state["a"] == state["b"]
    assert set(state["a"]) == {"graphs.csv", "nodes.csv", "edges.csv"}
    write(tmp_path / "b", graphs=GRAPHS.replace("0.5", "9.5"))
    assert Folder(source, str(tmp_path / "b"), None).state() != state["a"]
    monkeypatch.setattr("gnnlab.datasets.folder_files.HASHED", 0)
    assert Folder(source, str(tmp_path / "a"), None).state()["nodes.csv"][0] == len(NODES)


def test_its_name_is_that_of_the_folder(tmp_path: Path, source: DataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES, edges=EDGES))
    assert Folder(source, ".", "regression").load()[1].name == "mine"
