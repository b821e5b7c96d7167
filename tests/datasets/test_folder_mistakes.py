"""A folder of one's own graphs: mistakes are named by file, line and column, or noticed."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from gnnlab import compose
from gnnlab.datasets.folder import Folder, FolderGraph, FolderNodes
from gnnlab.datasets.source import DataSource
from gnnlab.errors import UsageError
from tests.datasets.folders import EDGES, GRAPHS, NODES, saved, with_masks, write


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
