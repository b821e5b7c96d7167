"""A folder of one's own graphs: both formats give the same data, and mistakes are named."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from gnnlab import compose
from gnnlab.cache import Cache
from gnnlab.datasets.folder import Folder, FolderDirected, FolderGraph, FolderNodes, FolderNodesDirected
from gnnlab.datasets.folder_values import divided
from gnnlab.datasets.source import DataSource
from gnnlab.errors import UsageError
from gnnlab.packed import Packed

GRAPHS = "y,y2,split\n0.5,1,train\n1.5,2,test\n2.5,3,val\n"
NODES = "graph,x_type,x_ring\n0,0,1\n2,2,1\n0,1,0\n1,3,0\n2,0,0\n0,1,1\n"
EDGES = "graph,source,target,e_length\n0,0,1,0.5\n0,1,0,0.25\n2,0,1,2\n0,2,1,4\n"


def write(folder: Path, **tables: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return str(folder)


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


def saved(folder: Path, graphs: Any) -> str:
    folder.mkdir()
    torch.save(graphs, folder / "graphs.pt")
    return str(folder)


def with_masks(**change: Any) -> Data:
    """Four nodes, the first three each in one split."""
    masks = {f"{split}_mask": torch.eye(4)[i].bool() for i, split in enumerate(("train", "val", "test"))}
    one = {"x": torch.ones(4, 2), "edge_index": torch.tensor([[0], [1]]), "y": torch.tensor([0, 1, 1, 0])}
    return Data(**{name: value for name, value in {**one, **masks, **change}.items() if value is not None})


@pytest.mark.parametrize(
    "form", [lambda one: [one.to_dict()], lambda one: one, Data.to_dict], ids=["list", "Data", "dict"]
)
def test_masks_of_the_torch_file(tmp_path: Path, source: DataSource, form) -> None:
    splits, _ = FolderNodes(source, saved(tmp_path / "mine", form(with_masks())), "multiclass").load()
    assert [packed.node["mask"].nonzero().flatten().tolist() for packed in splits.values()] == [[0], [1], [2]]
    assert set(splits["train"].node) == {"x", "y", "mask"}


@pytest.mark.parametrize(
    ("graphs", "message"),
    [
        (with_masks(val_mask=None), "has train_mask and test_mask, but no val_mask: all three, or none"),
        (with_masks(val_mask=torch.eye(4)[0].bool()), "1 nodes are in two of train_mask, val_mask, test_mask; node 0"),
        (with_masks(test_mask=torch.eye(4)[:, 2:].bool()), r"test_mask is not one value a node; .* test_mask\[:, 0\]"),
        (with_masks(test_mask=torch.tensor([True])), "test_mask is not one value a node"),
        (with_masks(split="train"), "a split of graphs and one of nodes"),
        ((torch.ones(3), {}), "graphs.pt is a tuple with a Tensor, not a list of Data"),
    ],
)
def test_mistakes_in_the_torch_file_are_named(tmp_path: Path, source: DataSource, graphs: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FolderNodes(source, saved(tmp_path / "mine", graphs), "multiclass").load()


def test_targets_of_graphs_want_splits_of_graphs(tmp_path: Path, source: DataSource) -> None:
    masked = [with_masks(y=torch.tensor([i % 2])) for i in range(4)]
    with pytest.raises(UsageError, match=r"its split is of nodes, its targets are of graphs, which need the column"):
        Folder(source, saved(tmp_path / "masks", masked), "binary").load()
    tables = {"nodes": "x,split\n1.5,train\n2,val\n2,test\n", "edges": "source,target\n0,1\n"}
    with pytest.raises(UsageError, match=r"its split is of nodes"):
        Folder(source, write(tmp_path / "tables", graphs="y\n1\n", **tables), "binary").load()
    with pytest.raises(UsageError, match=r"a split of graphs and one of nodes"):
        Folder(source, write(tmp_path / "both", graphs="y,split\n1,train\n", **tables), "binary").load()
    tables["nodes"] = "x\n1.5\n2\n2\n"
    with pytest.raises(UsageError, match=r"need a graph each, and it holds 1 \(dataset=folder_graph"):
        Folder(source, write(tmp_path / "one", graphs="y\n1\n", **tables), "binary").load()


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": NODES.replace("graph,", "molecule,")}, r"nodes.csv has no column 'graph'; it has: molecule, x_type"),
        ({"edges": EDGES.replace("source", "from")}, r"edges.csv has no column 'source'"),
        ({"edges": EDGES + "3,0,1,1\n"}, r"edges.csv names a graph that is not one of the 3: number 0 … 2"),
        ({"edges": EDGES + "1,0,1,1\n"}, r"Graph 1 has an edge to a node it does not have \(1 nodes\)"),
        ({"graphs": GRAPHS.replace("val", "valid")}, r"there is no split 'valid'; train, val, test or none"),
        ({"graphs": GRAPHS.replace("val", "")}, r"a row has no split; train, val, test or none"),
        (
            {"graphs": "graph,y\n1,0.5\n0,1.5\n2,2.5\n"},
            r"the rows of graphs.csv are those of graph 0, 1, 2, …: sort them",
        ),
        ({"graphs": GRAPHS.replace("val", "train")}, r"mine, split val is empty"),
        ({"graphs": "split\ntrain\ntest\nval\n"}, r"there are no targets y of graphs"),
        ({"nodes": NODES.replace("x_ring", "ring")}, r"nodes.csv has a column 'ring', which begins with none of x, y"),
        ({"edges": EDGES.replace("0.25", "far")}, r"edges.csv, line 3, column e_length: 'far' is not a number"),
        (
            {"edges": EDGES.replace("1,0,0.25", "1.5,0,0.25")},
            r"edges.csv, line 3, column source: '1.5' is not a whole number",
        ),
        ({"edges": EDGES.replace("1,0,0.25", "1,,0.25")}, "column target: an empty cell or NaN is not a whole number"),
        ({"nodes": NODES.replace("2,2,1", "two,2,1")}, r"nodes.csv, line 3, column graph: 'two' is not a whole number"),
        (
            {"nodes": NODES.replace("2,2,1", "2,7654321,1")},
            r"x, column 1 of 2, has the category 7654321: .* 100,000 at",
        ),
        ({"edges": EDGES.replace("0.25", "0.25,7")}, r"edges.csv: .*Expected 4 fields in line 3, saw 5"),
        ({"edges": EDGES.replace(",0.5\n", ",0.5,7\n")}, r"edges.csv, line 2: more values than names in the header"),
        ({"edges": EDGES.replace("0.25", "nan")}, r"edges.csv, line 3, column e_length: an empty cell or NaN is not"),
        ({"nodes": NODES.replace("2,2,1", "2,inf,1")}, r"nodes.csv, line 3, column x_type: 'inf' is not a number"),
        ({"nodes": NODES.replace("2,2,1", "2,,1")}, r"nodes.csv, line 3, column x_type: an empty cell or NaN is not"),
        ({"graphs": GRAPHS.replace("split", "spilt")}, r"graphs.csv has a column 'spilt', .*: split\? Or drop it"),
        ({"graphs": "y,split\n"}, r"graphs.csv has no rows: one a graph"),
        ({"edges": ""}, r"edges.csv is empty: its first line names its columns"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, source: DataSource, change: dict[str, str], message: str) -> None:
    path = write(tmp_path / "mine", **{"graphs": GRAPHS, "nodes": NODES, "edges": EDGES, **change})
    with pytest.raises(UsageError, match=message):
        Folder(source, path, "regression").load()


@pytest.mark.parametrize("kind", [Folder, FolderNodes])
def test_a_wrong_target_is_named_by_its_place_in_the_files(tmp_path: Path, source: DataSource, kind: type) -> None:
    nodes = "graph,y\n0,0\n1,1\n2,0\n2,7\n"
    graphs = "split\ntrain\ntest\nval\n" if kind is FolderNodes else "y,split\n0,train\n1,test\n7,val\n"
    nodes = nodes if kind is FolderNodes else nodes.replace("y", "x")
    path = write(tmp_path / "mine", graphs=graphs, nodes=nodes, edges="graph,source,target\n2,0,1\n")
    where = "graph 2, node 1" if kind is FolderNodes else "graph 2"
    with pytest.raises(UsageError, match=f"mine, split val, {where}: y is neither 0 nor 1"):
        kind(source, path, "binary").load()


def test_without_graphs_there_is_one(tmp_path: Path, source: DataSource) -> None:
    path = write(tmp_path / "mine", nodes=NODES, edges=EDGES)
    with pytest.raises(UsageError, match=r"nodes.csv names several graphs, and graphs.csv is missing"):
        Folder(source, path, "regression").load()


def test_whole_numbers_beside_others_are_no_categories(tmp_path: Path, source: DataSource, caplog: Any) -> None:
    nodes = NODES.replace("2,2,1", "2,2,1.5")
    spec = Folder(source, write(tmp_path / "mine", graphs=GRAPHS, nodes=nodes, edges=EDGES), "regression").spec()
    assert spec.node.kind == "continuous"
    assert "x_type: real numbers, no categories, because x_ring are none" in caplog.text


def test_a_table_without_edges_is_noticed(tmp_path: Path, source: DataSource, caplog: Any) -> None:
    path = write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES, edges="graph,source,target\n")
    assert Folder(source, path, "regression").load()[0]["train"].num_edges == 0
    assert "edges.csv has no rows: no node has a neighbour" in caplog.text


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


@pytest.mark.parametrize(
    ("y", "likely"),
    [
        ("y\n0\n1\n0\n", "binary"),
        ("y\n0\n4\n1\n", "multiclass"),
        ("y\n0.5\n4\n1\n", "regression"),
        ("y\n-1\n4\n1\n", "regression"),
        ("y\n0\n4000000\n1\n", "regression"),
        ("y1,y2\n0,1\n1,\n0,0\n", "multilabel"),
        ("y1,y2\n0,1\n3,1\n0,0\n", "regression"),
    ],
)
def test_the_target_has_to_be_chosen(tmp_path: Path, source: DataSource, y: str, likely: str) -> None:
    path = write(tmp_path / "mine", graphs=y, nodes=NODES, edges=EDGES)
    with pytest.raises(UsageError, match=rf"dataset.target is not set. Its y look like dataset.target={likely}; or"):
        Folder(source, path, None).load()


@pytest.mark.parametrize("option", ["folder", "folder_nodes", "folder_graph"])
def test_no_target_is_chosen_in_silence(option: str) -> None:
    assert compose(f"dataset={option}").dataset.target is None


@pytest.mark.parametrize("y", ["y\n0.5\n4\n1\n", "y1,y2\n0,1\n3,1\n0,0\n"])
def test_classes_are_one_whole_number(tmp_path: Path, source: DataSource, y: str) -> None:
    path = write(tmp_path / "mine", graphs=y, nodes=NODES, edges=EDGES)
    with pytest.raises(UsageError, match=r"multiclass wants one y, a whole number; they look like regression"):
        Folder(source, path, "multiclass").load()
    with pytest.raises(UsageError, match=r"binary wants one y, 0 or 1; they look like regression"):
        Folder(source, path, "binary").load()


def test_classes_are_numbered_without_gaps(
    tmp_path: Path, source: DataSource, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "mine", graphs="y,split\n1,train\n3,val\n1,test\n", nodes=NODES, edges=EDGES)
    with caplog.at_level(logging.WARNING):
        assert Folder(source, path, "multiclass").load()[1].num_targets == 4
    assert "No y is of class 0, 2, of the classes 0 … 3 that they number" in caplog.text
    write(tmp_path / "mine", graphs="y,split\n1,train\n4000000,val\n1,test\n")
    with pytest.raises(UsageError, match=r"y has a class 4000000: number the classes 0, 1, 2, …; at most 100,000"):
        Folder(source, path, "multiclass").load()


def test_the_metric_fits_the_target(tmp_path: Path, source: DataSource) -> None:
    path = write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES, edges=EDGES)
    with pytest.raises(UsageError, match=r"mine: metric=accuracy cannot judge target=regression; mae, rmse can"):
        Folder(source, path, "regression", "accuracy").load()


def test_several_graphs_are_not_one(tmp_path: Path, source: DataSource) -> None:
    path = write(tmp_path / "mine", graphs=GRAPHS, nodes=NODES.replace("x_ring", "y"), edges=EDGES)
    assert FolderNodes(source, path, "multiclass").load()[1].level == "node"
    with pytest.raises(UsageError, match=r"holds 3 graphs, not one \(dataset=folder_nodes"):
        FolderGraph(source, path, "multiclass").load()


def test_a_missing_or_damaged_folder(tmp_path: Path, source: DataSource) -> None:
    with pytest.raises(UsageError, match=r"nowhere cannot be read: there is no folder /.*/nowhere. .*folder_files"):
        Folder(source, str(tmp_path / "nowhere"), "regression").load()
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(UsageError, match=r"nodes.csv is missing; a folder holds"):
        Folder(source, str(tmp_path / "nowhere"), "regression").load()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "graphs.pt").write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"torn cannot be read"):
        Folder(source, str(tmp_path / "torn"), "regression").load()


def test_two_formats_in_one_folder(tmp_path: Path, source: DataSource) -> None:
    path = saved(tmp_path / "mine", [with_masks()])
    write(tmp_path / "mine", nodes=NODES, edges=EDGES)
    with pytest.raises(UsageError, match=r"it holds graphs.pt, nodes.csv, edges.csv, which are 2 formats: leave"):
        FolderGraph(source, path, "multiclass").load()


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
