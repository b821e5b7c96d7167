"""ZINC and minesweeper as published (needs GNNLAB_MIRROR)."""

from pathlib import Path

import pytest
import torch

from gnnlab.datasets.minesweeper import Minesweeper
from gnnlab.datasets.source import DataSource
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
        splits, spec = Minesweeper(source, fold=fold).load()
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
