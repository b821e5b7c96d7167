"""Real data as published: graphs, nodes, edges, splits (needs GNNLAB_MIRROR)."""

from pathlib import Path

import pytest
import torch

from gnnlab.datasets.bitcoin_otc import FILE, BitcoinOTC, ratings, snapshots
from gnnlab.datasets.geom_gcn import GeomGCN, GeomGCNUndirected
from gnnlab.datasets.heterophilous import Heterophilous
from gnnlab.datasets.lrgb import Peptides
from gnnlab.datasets.ogb import OGBMolecules
from gnnlab.datasets.planetoid import Planetoid, PlanetoidGeomGCN
from gnnlab.datasets.source import DataSource
from gnnlab.datasets.tu import TU, TUMolecules
from gnnlab.datasets.zinc import Zinc
from gnnlab.errors import UsageError


@pytest.fixture(scope="module")
def source(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return DataSource(str(tmp_path_factory.mktemp("data")), str(mirror), download=False)


def test_zinc_has_the_published_counts(source: DataSource) -> None:
    splits, spec = Zinc(source).load()
    counts = {name: (packed.num_graphs, packed.num_nodes, packed.num_edges) for name, packed in splits.items()}
    assert counts == {
        "train": (10_000, 231_664, 498_558),
        "val": (1_000, 23_083, 49_692),
        "test": (1_000, 23_117, 49_720),
    }
    train, test = splits["train"], splits["test"]
    assert train.node["x"].shape == (231_664, 1)
    assert train.node["x"].unique().numel() == 21
    assert train.edge["edge_attr"].unique().tolist() == [1, 2, 3]
    assert torch.equal(train.edge_index[:, train.transpose].flip(0), train.edge_index)
    assert torch.equal(train.edge["edge_attr"][train.transpose], train.edge["edge_attr"])
    assert test.graph["y"].mean().item() == pytest.approx(0.013, abs=1e-3)
    assert test.graph["y"].std().item() == pytest.approx(2.016, abs=1e-3)
    assert (train.batch(0, 1).num_nodes, train.batch(0, 1).edge_index.shape[1]) == (29, 64)
    assert sum(spec.in_degrees) == 231_664
    assert sum(degree * count for degree, count in enumerate(spec.in_degrees)) == 498_558


@pytest.mark.slow
def test_the_mirrors_subset_is_not_taken_for_all_of_zinc(source: DataSource) -> None:
    with pytest.raises(UsageError, match=r"train.pickle cannot be read .* 12k subset only, enough for dataset=zinc"):
        Zinc(source, subset=False).load()


@pytest.mark.slow
@pytest.mark.parametrize("file", ["train.pickle", "val.index"])
def test_a_truncated_zinc_file_is_named(mirror: Path, tmp_path: Path, file: str) -> None:
    raw = tmp_path / "ZINC" / "raw"
    raw.mkdir(parents=True)
    for path in (mirror / "ZINC" / "raw").iterdir():
        content = path.read_bytes()
        (raw / path.name).write_bytes(content[: len(content) // 2] if path.name == file else content)
    with pytest.raises(UsageError, match=file):
        Zinc(DataSource(str(tmp_path), download=False)).load()
    assert not list(tmp_path.rglob("data.pt"))


def test_minesweeper_has_the_published_counts_and_splits(source: DataSource) -> None:
    masks = []
    for fold in (0, 9):
        splits, spec = Heterophilous(source, name="minesweeper", fold=fold).load()
        masks += [packed.node["mask"] for packed in splits.values()]
        assert torch.stack(masks[-3:]).sum(0).eq(1).all(), "every node is in one split"
        assert [int(mask.sum()) for mask in masks[-3:]] == [5_000, 2_500, 2_500]
        train = splits["train"]
        assert (train.num_graphs, train.num_nodes, train.num_edges) == (1, 10_000, 2 * 39_402)
        assert train.node["x"].shape == (10_000, 7)
        assert train.node["y"].mean().item() == pytest.approx(0.2)
        assert sum(spec.in_degrees) == 5_000
        assert splits["test"].edge_index.data_ptr() == train.edge_index.data_ptr()
    assert not torch.equal(masks[0], masks[3])


ONE_GRAPH = [
    # data set, nodes, directed edges, features, classes, nodes of each split
    (Heterophilous, {"name": "chameleon_filtered"}, 890, 17_708, 2_325, 5, (409, 287, 194)),
    (Heterophilous, {"name": "squirrel_filtered"}, 2_223, 93_996, 2_089, 5, (1_053, 718, 452)),
    (GeomGCN, {"name": "cornell"}, 183, 298, 1_703, 5, (87, 59, 37)),
    (GeomGCN, {"name": "texas"}, 183, 325, 1_703, 5, (87, 59, 37)),
    (GeomGCN, {"name": "wisconsin"}, 251, 515, 1_703, 5, (120, 80, 51)),
    (GeomGCN, {"name": "actor"}, 7_600, 30_019, 932, 5, (3_648, 2_432, 1_520)),
    (GeomGCN, {"name": "chameleon"}, 2_277, 36_101, 2_325, 5, (1_092, 729, 456)),
    (Planetoid, {"name": "Cora"}, 2_708, 10_556, 1_433, 7, (140, 500, 1_000)),
    (Planetoid, {"name": "Cora", "split": "full"}, 2_708, 10_556, 1_433, 7, (1_208, 500, 1_000)),
    (Planetoid, {"name": "CiteSeer"}, 3_327, 9_104, 3_703, 6, (120, 500, 1_000)),
    (PlanetoidGeomGCN, {"name": "Cora", "fold": 9}, 2_708, 10_556, 1_433, 7, (1_192, 796, 497)),
    (PlanetoidGeomGCN, {"name": "CiteSeer", "fold": 9}, 3_327, 9_104, 3_703, 6, (1_596, 1_065, 666)),
]


@pytest.mark.parametrize("row", ONE_GRAPH, ids=lambda row: f"{row[0].__name__}-{row[1]['name']}")
def test_one_graph_has_the_published_counts_and_splits(source: DataSource, row: tuple) -> None:
    kind, options, nodes, edges, features, classes, sizes = row
    splits, spec = kind(source, **options).load()
    graph = splits["train"]
    masks = torch.stack([packed.node["mask"] for packed in splits.values()])
    assert (graph.num_graphs, graph.num_nodes, graph.num_edges) == (1, nodes, edges)
    assert graph.node["x"].shape == (nodes, features)
    assert graph.node["y"].unique().tolist() == list(range(classes)) == list(range(spec.num_targets))
    assert tuple(masks.sum(1).tolist()) == sizes
    assert masks.sum(0).max() == 1, "no node is in two splits"
    both_ways = torch.equal(graph.edge_index[:, graph.transpose].flip(0), graph.edge_index)
    assert both_ways == ("undirected" in kind.gives)


def test_features_of_papers_add_up_to_one_or_are_counts(source: DataSource) -> None:
    shares = Planetoid(source, "CiteSeer").load()[0]["train"].node["x"]
    words = Planetoid(source, "CiteSeer", normalize_features=False).load()[0]["train"].node["x"]
    torch.testing.assert_close(shares.sum(1), (words.sum(1) > 0).float())
    assert (words.sum(1) == 0).sum() == 15, "papers that the original files leave out"


def test_every_published_fold_is_another(source: DataSource) -> None:
    masks = [GeomGCN(source, "texas", fold).load()[0]["train"].node["mask"] for fold in range(10)]
    assert torch.stack(masks).unique(dim=0).shape[0] == 10


def test_directed_graphs_are_to_be_had_undirected(source: DataSource) -> None:
    directed = GeomGCN(source, "texas").load()[0]["train"].edge_index
    graph = GeomGCNUndirected(source, "texas").load()[0]["train"]
    assert torch.equal(graph.edge_index[:, graph.transpose].flip(0), graph.edge_index)
    both = torch.cat([directed, directed.flip(0)], dim=1).unique(dim=1)
    assert graph.num_edges == both.shape[1] < 2 * directed.shape[1]


@pytest.mark.slow
def test_squirrel_with_its_duplicates(source: DataSource, caplog: pytest.LogCaptureFixture) -> None:
    graph = GeomGCN(source, "squirrel").load()[0]["train"]
    assert (graph.num_nodes, graph.num_edges) == (5_201, 217_073)
    assert "dataset=squirrel_filtered is free of them" in caplog.text


MANY_GRAPHS = [
    # data set, graphs of each split, nodes, directed edges
    (TUMolecules, {"name": "MUTAG"}, (150, 19, 19), 3_371, 7_442),
    (TU, {"name": "ENZYMES"}, (480, 60, 60), 19_580, 74_564),
    (TU, {"name": "ENZYMES", "attributes": True, "fold": 9}, (480, 60, 60), 19_580, 74_564),
    (OGBMolecules, {"name": "molhiv"}, (32_901, 4_113, 4_113), 1_049_163, 2_259_376),
    (Peptides, {"task": "func"}, (10_873, 2_331, 2_331), 2_344_859, 4_773_974),
]


@pytest.mark.parametrize("row", MANY_GRAPHS, ids=lambda row: f"{row[0].__name__}-{next(iter(row[1].values()))}")
def test_many_graphs_have_the_published_counts_and_splits(source: DataSource, row: tuple) -> None:
    kind, options, sizes, nodes, edges = row
    splits, spec = kind(source, **options).load()
    assert tuple(packed.num_graphs for packed in splits.values()) == sizes
    assert sum(packed.num_nodes for packed in splits.values()) == nodes
    assert sum(packed.num_edges for packed in splits.values()) == edges
    assert (spec.edge.kind != "none") == ("edge_attr" in kind.gives)
    for packed in splits.values():
        assert torch.equal(packed.edge_index[:, packed.transpose].flip(0), packed.edge_index)
        if "edge_attr" in packed.edge:
            assert torch.equal(packed.edge["edge_attr"][packed.transpose], packed.edge["edge_attr"])


def test_molhiv_has_the_published_positives(source: DataSource) -> None:
    splits, spec = OGBMolecules(source, "molhiv").load()
    assert [int(packed.graph["y"].sum()) for packed in splits.values()] == [1_232, 81, 130]
    assert (spec.target, spec.metric) == ("binary", "roc_auc")


def test_folds_of_enzymes_hold_ten_of_each_class_to_test(source: DataSource) -> None:
    tested = []
    for fold in (0, 9):
        splits, _ = TU(source, "ENZYMES", fold=fold).load()
        assert splits["test"].graph["y"].bincount().tolist() == [10] * 6
        tested += [splits["val" if fold else "test"]]
    assert torch.equal(tested[0].edge_index, tested[1].edge_index), "fold 9 validates on what fold 0 tests"


def test_bitcoin_otc_has_the_published_counts(source: DataSource) -> None:
    splits, _ = BitcoinOTC(source).load()
    assert [packed.num_graphs for packed in splits.values()] == [95, 14, 28]
    assert all(packed.ptr.diff().unique().tolist() == [6_005] for packed in splits.values())
    ends, rating, step = ratings(source.root / "BitcoinOTC" / FILE)
    assert len(step) == 35_592
    assert len(ends.unique()) == 5_881, "users who rate or are rated"
    assert rating.unique().tolist() == [*range(-10, 0), *range(1, 11)]
    asked = sum(len(packed.pair["edge_label"]) for packed in splits.values())
    assert asked == int((step > 0).sum()), "every rating once, but for those of the first step"
    assert sum(packed.pair["edge_label"].sum() for packed in splits.values()) == (rating[step > 0] < 0).sum()
    graphs = snapshots(ends, rating, step, window=10)
    assert graphs.num_graphs == 138
    assert graphs.num_edges / 138 == pytest.approx(2_573.2, abs=0.05)
    assert graphs.num_edges - int(graphs.edge_ptr.diff()[-1]) == sum(packed.num_edges for packed in splits.values())
