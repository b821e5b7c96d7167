"""Data sets of one graph, from small raw files in the published layouts; and what a damaged file is called."""

import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gnnlab.datasets.geom_gcn import GeomGCN
from gnnlab.datasets.heterophilous import SIZES, Heterophilous
from gnnlab.datasets.planetoid import Planetoid
from gnnlab.datasets.source import DataSource
from gnnlab.errors import UsageError


def write_heterophilous(root: Path, name: str) -> None:
    path = root / "HeterophilousGraphDataset" / name / "raw" / f"{name}.npz"
    path.parent.mkdir(parents=True)
    features, classes = SIZES[name]  # pyright: ignore[reportArgumentType]
    nodes = np.arange(max(classes, 3))
    masks = nodes % 3 == np.arange(3)[:, None]
    np.savez(
        path,
        node_features=np.eye(len(nodes), features, dtype=np.float32),
        node_labels=nodes % classes,
        edges=np.array([[0, 1]]),
        **{f"{split}_masks": np.tile(masks[i], (10, 1)) for i, split in enumerate(("train", "val", "test"))},
    )


def write_geom_gcn(folder: Path, split: str, row) -> None:
    """Five nodes on a directed path, one of each class; `row(node)` is the text of its features."""
    folder.mkdir(parents=True)
    nodes = [f"{node}\t{row(node)}\t{node}\n" for node in (3, 0, 1, 2, 4)]
    (folder / "out1_node_feature_label.txt").write_text("node_id\tfeature\tlabel\n" + "".join(nodes))
    (folder / "out1_graph_edges.txt").write_text("node_id\tnode_id\n0\t1\n1\t2\n2\t3\n3\t4\n0\t1\n")
    for fold in range(10):
        train = np.arange(5) % 10 == fold % 5
        masks = {"train_mask": train, "val_mask": np.roll(train, 1), "test_mask": np.roll(train, 2)}
        np.savez(folder / f"{split}_split_0.6_0.2_{fold}.npz", **masks)


def write_pubmed(folder: Path) -> None:
    """600 + 9 papers in a chain, the last six of them to test, listed out of order."""
    folder.mkdir(parents=True)
    labels = np.eye(3, dtype=np.int64)[np.arange(609) % 3]
    x = sp.csr_matrix((np.ones(609), (np.arange(609), np.arange(609) % 500)), shape=(609, 500))
    graph = defaultdict(list, {node: list({max(node - 1, 0), min(node + 1, 608)}) for node in range(609)})
    order = [604, 603, 605, 606, 607, 608]
    parts = {"x": x[:60], "y": labels[:60], "allx": x[:603], "ally": labels[:603], "tx": x[order], "ty": labels[order]}
    for part, value in {**parts, "graph": graph}.items():
        (folder / f"ind.pubmed.{part}").write_bytes(pickle.dumps(value))
    (folder / "ind.pubmed.test.index").write_text("".join(f"{node}\n" for node in order))


@pytest.mark.parametrize("name", SIZES)
def test_heterophilous(tmp_path: Path, source: DataSource, name) -> None:
    write_heterophilous(tmp_path, name)
    splits, spec = Heterophilous(source, name, fold=9).load()
    assert spec.metric == ("roc_auc" if SIZES[name][1] == 2 else "accuracy")
    assert splits["train"].edge_index.tolist() == [[1, 0], [0, 1]]
    assert torch.stack([packed.node["mask"] for packed in splits.values()]).sum(0).eq(1).all()


def test_features_as_a_list_and_as_places_of_ones(tmp_path: Path, source: DataSource) -> None:
    write_geom_gcn(
        tmp_path / "WebKB/texas/raw", "texas", lambda node: ",".join(f"{int(i == node)}" for i in range(1703))
    )
    write_geom_gcn(tmp_path / "Actor/raw", "film", lambda node: f"{node},931")
    texas, actor = (GeomGCN(source, name, fold=1).load()[0] for name in ("texas", "actor"))
    assert torch.equal(texas["train"].node["x"], torch.eye(5, 1703))
    assert torch.equal(actor["train"].node["x"], torch.eye(5, 932) + torch.eye(932)[931])
    for splits in (texas, actor):
        assert splits["val"].edge_index.tolist() == [[0, 1, 2, 3], [1, 2, 3, 4]]
        assert splits["val"].node["y"].tolist() == [0, 1, 2, 3, 4]
        assert [packed.node["mask"].nonzero().item() for packed in splits.values()] == [1, 2, 3]
    shares = GeomGCN(source, "texas", fold=1, normalize_features=True).load()[0]["train"].node["x"]
    torch.testing.assert_close(
        shares, texas["train"].node["x"] / texas["train"].node["x"].sum(1, keepdim=True).clamp(min=1)
    )


@pytest.mark.parametrize("file", ["out1_graph_edges.txt", "out1_node_feature_label.txt"])
def test_a_text_cut_short_is_named(tmp_path: Path, source: DataSource, file: str) -> None:
    write_geom_gcn(tmp_path / "Actor/raw", "film", lambda node: f"{node},931")
    path = tmp_path / "Actor/raw" / file
    path.write_text(path.read_text()[:-2])
    with pytest.raises(UsageError, match=rf"{file} cannot be read .*cut short.* Replace it"):
        GeomGCN(source, "actor").load()


def test_pubmed(tmp_path: Path, source: DataSource) -> None:
    write_pubmed(tmp_path / "Planetoid/PubMed/raw")
    splits, spec = Planetoid(source, "PubMed", normalize_features=False).load()
    assert spec.num_targets == 3
    assert [int(packed.node["mask"].sum()) for packed in splits.values()] == [60, 500, 6]
    graph = splits["test"]
    assert torch.equal(graph.node["y"], torch.arange(609) % 3), "the papers are back in order"
    assert torch.equal(graph.node["x"].argmax(1), torch.arange(609) % 500)
    assert graph.num_edges == 2 * 608


def test_a_truncated_pickle_is_named(tmp_path: Path, source: DataSource) -> None:
    write_pubmed(tmp_path / "Planetoid/PubMed/raw")
    path = tmp_path / "Planetoid/PubMed/raw/ind.pubmed.allx"
    path.write_bytes(path.read_bytes()[:99])
    with pytest.raises(UsageError, match=r"ind\.pubmed\.allx cannot be read"):
        Planetoid(source, "PubMed").load()
