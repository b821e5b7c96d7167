"""Data sets of many graphs, from small raw files in the published layouts; and what a damaged file is called."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gnnlab.datasets.benchmarking_gnns import AQSOL, TSP, ImageSuperpixels
from gnnlab.datasets.bitcoin_otc import BitcoinOTC
from gnnlab.datasets.code2 import END, UNKNOWN, WORDS, Code2, names, numbered
from gnnlab.datasets.lrgb import Peptides, Superpixels
from gnnlab.datasets.ogb import MOLECULES, PPA, OGBMolecules, OGBNodes
from gnnlab.datasets.pcqm_contact import PCQMContact
from gnnlab.datasets.source import DataSource
from gnnlab.datasets.tu import SIZES, TU, TUMolecules, stratified_folds
from gnnlab.errors import UsageError


def rows(lines) -> str:
    return "".join(f"{line}\n" for line in lines)


def write_tu(root: Path, name: str, graphs: int = 40) -> None:
    """Paths of 3 nodes, and one node alone at the end; the class and all labels are that of the graph, modulo."""
    folder = root / "TUDataset" / name / "raw"
    folder.mkdir(parents=True)
    sizes, nodes = SIZES[name], 3 * (graphs - 1) + 1
    edges = [(3 * g + a, 3 * g + b) for g in range(graphs - 1) for a, b in ((1, 2), (2, 1), (2, 3), (3, 2))]
    parts = {
        "A": (f"{a}, {b}" for a, b in edges),
        "graph_indicator": (node // 3 + 1 for node in range(nodes)),
        "graph_labels": (graph % sizes.classes * 2 - 1 for graph in range(graphs)),
        "node_labels": (node % max(sizes.labels, 1) for node in range(nodes)),
        "node_attributes": (", ".join([f"{node}.5"] * sizes.attributes) for node in range(nodes)),
        "edge_labels": (edge % max(sizes.edge_labels, 1) for edge in range(len(edges))),
    }
    for part, lines in parts.items():
        (folder / f"{name}_{part}.txt").write_text(rows(lines))


@pytest.mark.parametrize("name", SIZES)
def test_tu(tmp_path: Path, source: DataSource, name) -> None:
    write_tu(tmp_path, name, graphs=120)
    kind = TUMolecules if SIZES[name].edge_labels else TU
    splits, spec = kind(source, name).load()
    assert [packed.num_graphs for packed in splits.values()] == [96, 12, 12]
    assert sum(packed.num_nodes for packed in splits.values()) == 3 * 119 + 1
    assert spec.node.sizes == ((SIZES[name].labels,) if SIZES[name].labels else ())


def test_tu_attributes_come_before_the_labels(tmp_path: Path, source: DataSource) -> None:
    write_tu(tmp_path, "PROTEINS")
    splits, spec = TU(source, "PROTEINS", attributes=True).load()
    assert spec.node.sizes == (4,)
    x = splits["test"].node["x"]
    assert (x[:, 0] % 1 == 0.5).all()
    assert torch.equal(x[:, 0].long() % 3, x[:, 1:].argmax(1))


def test_folds_are_stratified_seeded_and_disjoint() -> None:
    y = torch.tensor([0] * 63 + [1] * 125)
    folds = stratified_folds(y, 10, seed=0)
    assert folds.bincount().tolist() == [19] * 8 + [18] * 2
    assert set(folds[y == 0].bincount().tolist()) == {6, 7}
    assert set(folds[y == 1].bincount().tolist()) == {12, 13}
    assert torch.equal(folds, stratified_folds(y, 10, seed=0))
    assert not torch.equal(folds, stratified_folds(y, 10, seed=1))


def test_a_tu_text_cut_short_is_named(tmp_path: Path, source: DataSource) -> None:
    write_tu(tmp_path, "MUTAG")
    path = tmp_path / "TUDataset/MUTAG/raw/MUTAG_A.txt"
    path.write_text(path.read_text()[:-2])
    with pytest.raises(UsageError, match=r"MUTAG_A\.txt cannot be read .*cut short"):
        TUMolecules(source, "MUTAG").load()


def write_ogb(folder: Path, split: str, tables: dict[str, list]) -> None:
    for file, lines in {f"raw/{name}": lines for name, lines in tables.items()}.items():
        path = folder / f"{file}.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(rows(lines).encode()))
    (folder / "split" / split).mkdir(parents=True)
    for part, numbers in {"train": [2, 0], "valid": [3], "test": [1]}.items():
        (folder / "split" / split / f"{part}.csv.gz").write_bytes(gzip.compress(rows(numbers).encode()))


def write_molecules(root: Path, name: str, labels: list[str]) -> None:
    """A bond, an atom, a path of three atoms, a bond: the element tells the graph, the type of a bond its number."""
    sizes, bonds = [2, 1, 3, 2], [1, 0, 2, 1]
    tables = {
        "edge": ["0,1", "1,0", "1,2", "0,1"],
        "num-node-list": sizes,
        "num-edge-list": bonds,
        "node-feat": [f"{g},0,1,5,0,0,1,0,1" for g, size in enumerate(sizes) for _ in range(size)],
        "edge-feat": [f"{bond},0,1" for bond in range(4)],
        "graph-label": labels,
    }
    write_ogb(root / "ogb" / f"ogbg_{name}", "scaffold", tables)


@pytest.mark.parametrize("name", MOLECULES)
def test_ogb_molecules(tmp_path: Path, source: DataSource, name) -> None:
    tasks = MOLECULES[name].tasks
    first = "1.5" if MOLECULES[name].metric == "rmse" else "1"
    write_molecules(tmp_path, name, [",".join([first, *["" if g else "0"] * (tasks - 1)]) for g in range(4)])
    splits, spec = OGBMolecules(source, name).load()
    assert spec.name == f"ogbg_{name}"
    train = splits["train"]
    assert train.ptr.tolist() == [0, 3, 5], "graphs in the order of the split"
    assert train.node["x"][:, 0].tolist() == [2, 2, 2, 0, 0]
    assert train.edge_index.tolist() == [[1, 0, 2, 1, 4, 3], [0, 1, 1, 2, 3, 4]]
    assert train.edge["edge_attr"][:, 0].tolist() == [1, 1, 2, 2, 0, 0]
    assert (splits["test"].num_nodes, splits["test"].num_edges) == (1, 0)
    assert train.graph["y"][:, 0].tolist() == [float(first)] * 2
    assert train.graph["y"][0, 1:].isnan().all()


def test_ogb_proteins(tmp_path: Path, source: DataSource) -> None:
    tables = {
        "edge": ["0,1", "0,1", "1,2", "0,1"],
        "edge-feat": [",".join([f"0.{edge}"] * 7) for edge in range(4)],
        "num-node-list": [2, 1, 3, 2],
        "num-edge-list": [1, 0, 2, 1],
        "graph-label": [0, 1, 36, 3],
    }
    write_ogb(tmp_path / "ogb" / "ogbg_ppa", "species", tables)
    splits, spec = PPA(source).load()
    assert (spec.node.kind, spec.edge.sizes) == ("none", (7,))
    train = splits["train"].batch()
    assert train.y.tolist() == [36, 0], "graphs in the order of the split"
    assert train.edge_index.tolist() == [[1, 0, 2, 1, 4, 3], [0, 1, 1, 2, 3, 4]]
    assert train.edge["edge_attr"][:, 0].tolist() == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.0, 0.0])
    assert splits["test"].batch().num_nodes == 1


def write_code(root: Path, labels: list[str]) -> None:
    """Trees: a root alone, a path of three, a root with three leaves, two nodes; tokens are the nodes with a value."""
    sizes, values = [1, 3, 4, 2], [5, 5, 0, 7, 0, 8, 0, 9, 6, 0]
    tables = {
        "edge": ["0,1", "1,2", "0,1", "0,2", "0,3", "0,1"],
        "num-node-list": sizes,
        "num-edge-list": [size - 1 for size in sizes],
        "node-feat": [f"{node},{value}" for node, value in enumerate(values)],
        "node_is_attributed": [int(value > 0) for value in values],
        "node_dfs_order": [node for size in sizes for node in range(size)],
        "node_depth": [0, 0, 1, 40, 0, 1, 1, 1, 0, 1],
        "graph-label": labels,
    }
    write_ogb(root / "ogb" / "ogbg_code2", "project", tables)


def test_ogb_code(tmp_path: Path, source: DataSource) -> None:
    write_code(tmp_path, ["get name", "set name", "get a b get c d e", "null name"])
    splits, spec = Code2(source).load()
    train = splits["train"]
    assert train.ptr.tolist() == [0, 4, 5], "graphs in the order of the split"
    assert train.node["x"].tolist() == [[4, 0, 0], [5, 8, 1], [6, 0, 1], [7, 9, 1], [0, 5, 0]]
    edges = {tuple(edge) for edge in torch.cat([train.edge_index, train.edge["edge_attr"].T]).T.long().tolist()}
    tree, tokens = [(0, 1), (0, 2), (0, 3)], [(1, 3)]
    expected = [(*edge, 0, 0) for edge in tree] + [(j, i, 0, 1) for i, j in tree]
    assert edges == {*expected, *((*edge, 1, 0) for edge in tokens), *((j, i, 1, 1) for i, j in tokens)}
    test = splits["test"]
    pairs = torch.cat([test.edge_index, test.edge["edge_attr"].T]).T.long().tolist()
    assert [pair for pair in pairs if pair[:2] == [0, 2]] == [[0, 2, 1, 0]], "tokens around one that is none"
    assert test.node["x"][:, 2].tolist() == [0, 1, 20]
    get, a, b, c, name = 0, 1, 2, 3, 6  # "d", "e" are 4, 5: no word of training comes twice but "get"
    assert train.graph["y"].tolist() == [[get, a, b, get, c], [get, name, END, END, END]]
    assert train.graph["words"].tolist() == [[get, a, b, c, 4, 5], [get, name, -1, -1, -1, -1]]
    assert test.graph["y"].tolist() == [[UNKNOWN, name, END, END, END]]
    assert (test.graph["words"][0, 0], spec.out_dim) == (END + 8, 5 * 5002)


def test_names_are_read_as_ogb_reads_them(tmp_path: Path) -> None:
    (tmp_path / "label.csv.gz").write_bytes(gzip.compress(b"get name\nnull\nNA\nis nan\n"))
    assert names(tmp_path / "label") == [["get", "name"], ["nan"], ["nan"], ["is", "nan"]]


def test_the_vocabulary_is_the_most_frequent_words_of_training() -> None:
    words = [f"w{index}" for index in range(WORDS + 2)]
    texts = [words, ["w7", "w5001"], ["w5001", "w5001", "w5000", "new"]]
    y, of_text = numbered(texts, [0, 1])
    assert y[0].tolist() == [2, 3, 4, 5, 6], "of equals, the first that is met"
    assert y[1].tolist() == [0, 1, END, END, END]
    assert y[2].tolist() == [1, 1, UNKNOWN, UNKNOWN, END]
    assert sorted(of_text[2][of_text[2] >= 0].tolist())[0] == 1
    assert (of_text[2][1:3] > END).all()
    assert (of_text[2] >= 0).sum() == 3


def test_a_truncated_table_is_named(tmp_path: Path, source: DataSource) -> None:
    write_molecules(tmp_path, "molhiv", ["1", "0", "0", "1"])
    path = tmp_path / "ogb/ogbg_molhiv/raw/edge.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UsageError, match=r"ogbg_molhiv/raw/edge\.csv\.gz cannot be read"):
        OGBMolecules(source, "molhiv").load()


def test_missing_tables_are_listed_with_their_place(tmp_path: Path, source: DataSource) -> None:
    with pytest.raises(UsageError, match=r"ogb/ogbg_molhiv: raw/edge\.csv\.gz, .*split/scaffold/test\.csv\.gz"):
        OGBMolecules(source, "molhiv").load()


@pytest.mark.parametrize(("name", "split", "features"), [("arxiv", "time", 128), ("products", "sales_ranking", 100)])
def test_ogb_nodes(tmp_path: Path, source: DataSource, name, split: str, features: int) -> None:
    x = [",".join([f"{node}.25"] * features) for node in range(4)]
    tables = {"edge": ["0,1", "1,0", "3,2"], "node-feat": x, "node-label": [0, 1, 2, 3]}
    write_ogb(tmp_path / "ogb" / f"ogbn_{name}", split, tables)
    splits, _ = OGBNodes(source, name).load()
    assert splits["train"].edge_index.tolist() == [[1, 0, 3, 2], [0, 1, 2, 3]]
    assert [packed.node["mask"].nonzero()[:, 0].tolist() for packed in splits.values()] == [[0, 2], [3], [1]]
    assert splits["val"].node["x"][:, 0].tolist() == [0.25, 1.25, 2.25, 3.25]


def path_graph(nodes: int, x: Tensor, edge_attr: Tensor, y) -> tuple:
    forward = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
    return x, torch.cat([edge_attr, edge_attr]), torch.cat([forward, forward.flip(0)], dim=1), y


@pytest.mark.parametrize(("task", "targets"), [("func", 10), ("struct", 11)])
def test_peptides(tmp_path: Path, source: DataSource, task, targets: int) -> None:
    folder = tmp_path / f"LRGB/peptides-{task}/raw"
    folder.mkdir(parents=True)
    for size, split in enumerate(("train", "val", "test"), start=1):
        x, bond = torch.zeros(size, 9, dtype=torch.long), torch.ones(size - 1, 3, dtype=torch.long)
        torch.save([path_graph(size, x, bond, torch.ones(1, targets))] * 2, folder / f"{split}.pt")
    splits, spec = Peptides(source, task).load()
    assert (spec.num_targets, spec.metric) == (targets, "ap" if task == "func" else "mae")
    assert [packed.ptr.tolist() for packed in splits.values()] == [[0, 1, 2], [0, 2, 4], [0, 3, 6]]
    assert splits["test"].edge_index[:, 4:].tolist() == [[4, 3, 5, 4], [3, 4, 4, 5]]
    (folder / "val.pt").write_bytes((folder / "val.pt").read_bytes()[:300])
    with pytest.raises(UsageError, match=r"val\.pt cannot be read"):
        Peptides(source, task).load()


@pytest.mark.parametrize(("name", "last"), [("pascalvoc", 20), ("coco", 90)])
def test_superpixels(tmp_path: Path, source: DataSource, name, last: int) -> None:
    folder = tmp_path / f"LRGB/{name}-sp/raw"
    folder.mkdir(parents=True)
    random = torch.Generator().manual_seed(0)
    for split in ("train", "val", "test"):
        x, edge = 9 + torch.rand(50, 14, generator=random).double(), torch.rand(49, 2, generator=random).double()
        (folder / f"{split}.pickle").write_bytes(pickle.dumps([path_graph(50, x, edge, [0, 1, last] + [3] * 47)]))
    splits, spec = Superpixels(source, name).load()
    assert splits["test"].node["y"][:3].tolist() == [0, 1, spec.num_targets - 1]
    assert splits["train"].node["x"].mean(0).abs().max() < 1e-4
    assert splits["train"].edge["edge_attr"].std(0).sub(1).abs().max() < 1e-4
    assert 0 < splits["val"].node["x"].mean(0).abs().max() < 0.5, "standardised by the training split"
    raw, _ = Superpixels(source, name, standardize_features=False).load()
    assert raw["train"].node["x"].min() > 9


def test_aqsol(tmp_path: Path, source: DataSource) -> None:
    folder = tmp_path / "AQSOL/raw"
    folder.mkdir(parents=True)
    bond = (np.array([4, 64]), np.array([3, 3]), np.array([[0, 1], [1, 0]]), np.array(-2.5))
    atom = (np.array([1]), np.zeros(0, np.int64), np.zeros((2, 0), np.int64), np.array(0.5))
    for split in ("train", "val", "test"):
        (folder / f"{split}.pickle").write_bytes(pickle.dumps([bond, atom, bond]))
    splits, _ = AQSOL(source).load()
    packed = splits["val"]
    assert (packed.num_graphs, packed.num_nodes, packed.num_edges) == (2, 4, 4), "the graph without bonds is left out"
    assert packed.node["x"].tolist() == [[4], [64], [4], [64]]
    assert packed.graph["y"].tolist() == [[-2.5], [-2.5]]


@pytest.mark.parametrize(("name", "colours"), [("MNIST", 1), ("CIFAR10", 3)])
def test_image_superpixels(tmp_path: Path, source: DataSource, name, colours: int) -> None:
    folder = tmp_path / f"GNNBenchmarkDataset/{name}/raw"
    folder.mkdir(parents=True)
    graph = {
        "x": torch.ones(3, colours),
        "pos": torch.full((3, 2), 0.5),
        "edge_index": torch.tensor([[0, 0, 1], [1, 2, 2]]),
        "edge_attr": torch.tensor([0.1, 0.2, 0.3]),
        "y": torch.tensor([7]),
    }
    torch.save(([graph] * 4, [graph] * 2, [graph]), folder / f"{name}_v2.pt")
    splits, spec = ImageSuperpixels(source, name).load()
    assert [packed.num_graphs for packed in splits.values()] == [4, 2, 1]
    assert spec.node.sizes == (colours + 2,)
    test = splits["test"]
    assert test.node["x"].tolist() == [[1.0] * colours + [0.5, 0.5]] * 3
    assert test.edge["edge_attr"][:, 0].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert test.graph["y"].tolist() == [7]


def test_tsp(tmp_path: Path, source: DataSource) -> None:
    folder = tmp_path / "GNNBenchmarkDataset/TSP/raw"
    folder.mkdir(parents=True)
    graph = {
        "x": torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]),
        "edge_index": torch.tensor([[0, 0, 1, 2], [1, 2, 2, 0]]),
        "edge_attr": torch.tensor([1.0, 1.5, 1.0, 1.5]),
        "y": torch.tensor([1, 0, 1, 0]),
    }
    torch.save(([graph] * 4, [graph] * 2, [graph]), folder / "TSP_v2.pt")
    splits, spec = TSP(source).load()
    assert (spec.level, spec.metric) == ("edge", "binary_f1")
    assert [packed.num_graphs for packed in splits.values()] == [4, 2, 1]
    batch = splits["val"].batch()
    assert batch.edge_label_index.tolist() == [[2, 0, 0, 1, 5, 3, 3, 4], [0, 1, 2, 2, 3, 4, 5, 5]]
    assert batch.y.tolist() == [0, 1, 0, 1] * 2, "a target stays with its edge"
    torch.save(([{**graph, "y": torch.tensor([2, 0, 1, 0])}], [graph], [graph]), folder / "TSP_v2.pt")
    with pytest.raises(UsageError, match=r"tsp, split train, graph 0: y has a class outside 0 … 1"):
        TSP(source).load()


def test_pcqm_contact(tmp_path: Path, source: DataSource) -> None:
    folder = tmp_path / "LRGB/pcqm-contact/raw"
    folder.mkdir(parents=True)
    pairs, labels = torch.tensor([[0, 3, 0, 1], [3, 0, 1, 2]]), torch.tensor([1, 1, 0, 0], dtype=torch.int32)
    x, bond = torch.zeros(4, 9, dtype=torch.long), torch.ones(3, 3, dtype=torch.long)
    path = path_graph(4, x, bond, None)[:3]
    alone = (*path_graph(2, x[:2], bond[:1], None)[:3], pairs[:, :0], labels[:0])
    for split in ("train", "val", "test"):
        torch.save([(*path, pairs, labels), alone, (*path, pairs, labels)], folder / f"{split}.pt")
    splits, spec = PCQMContact(source).load()
    assert (spec.level, spec.metric) == ("edge", "mrr")
    train, test = splits["train"].batch(), splits["test"].batch()
    assert train.edge_label_index.tolist() == [[0, 3, 0, 1, 6, 9, 6, 7], [3, 0, 1, 2, 9, 6, 7, 8]]
    assert train.y[:, 0].tolist() == [1, 1, 0, 0] * 2
    assert test.edge_label_index[0].tolist() == [0] * 4 + [3] * 4 + [6] * 4 + [9] * 4, "both ends of each contact"
    assert test.edge_label_index[1].tolist() == [*range(4)] * 2 + [*range(6, 10)] * 2
    assert test.y[:, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0] * 2
    torch.save([(*path, pairs + 1, labels)], folder / "val.pt")
    with pytest.raises(UsageError, match="Graph 0 has a labelled pair with a node it does not have"):
        PCQMContact(source).load()


def test_bitcoin_ratings_in_windows_of_steps(tmp_path: Path, source: DataSource) -> None:
    day = 24 * 3600
    lines = ["1,2,5,0", f"2,3,-1,{13 * day}.9", f"1,2,3,{14 * day}", f"3,1,1,{90 * day}.5"]  # the last: step 2, not 6
    lines += [f"1,3,{-step},{(90 + 14 * step) * day}" for step in range(1, 9)]
    path = tmp_path / "BitcoinOTC/raw/soc-sign-bitcoinotc.csv"
    path.parent.mkdir(parents=True)
    path.write_text(rows(lines))
    splits, _ = BitcoinOTC(source, window=2).load()
    assert [(packed.num_graphs, packed.num_nodes) for packed in splits.values()] == [(7, 21), (1, 3), (2, 6)]
    train = splits["train"]
    assert train.edge_ptr.diff()[:4].tolist() == [2, 3, 2, 2]
    third = train.batch(2, 3)
    assert third.edge_index.tolist() == [[2, 0], [0, 1]]
    assert third.edge["edge_attr"][:, 0].tolist() == pytest.approx([0.1, 0.3])
    assert (third.edge_label_index.tolist(), third.y.tolist()) == ([[0], [2]], [[1.0]]), "the rating of the next step"
    assert train.batch(0, 1).y.tolist() == [[0.0]]
    test = splits["test"].batch(1, 2)
    assert test.edge_attr[:, 0].tolist() == pytest.approx([-0.6, -0.7]), "not the one that is asked for, −8"
    path.write_text(rows(lines)[:-1])
    with pytest.raises(UsageError, match=r"soc-sign-bitcoinotc\.csv cannot be read .*cut short"):
        BitcoinOTC(source).load()
