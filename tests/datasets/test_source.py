"""Where raw files come from, and what is said when they are missing or damaged."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torch_geometric.datasets.zinc as pyg_zinc

from gnnlab.datasets import heterophilous
from gnnlab.datasets.base import Dataset
from gnnlab.datasets.heterophilous import Heterophilous
from gnnlab.datasets.source import DataSource
from gnnlab.datasets.zinc import Zinc
from gnnlab.errors import UsageError

Minesweeper = partial(Heterophilous, name="minesweeper")
FILE = "HeterophilousGraphDataset/minesweeper/raw/minesweeper.npz"


def write_minesweeper(path: Path, nodes: int = 6, label: float = 1) -> None:
    """A tiny file in the published layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    masks = np.zeros((10, nodes), bool)
    masks[:, 0] = True
    np.savez(
        path,
        node_features=np.eye(nodes, 7, dtype=np.float32),
        node_labels=np.arange(nodes) % 2 * label,
        edges=np.array([[i, i + 1] for i in range(nodes - 1)]),
        train_masks=masks,
        val_masks=np.roll(masks, 1, 1),
        test_masks=np.roll(masks, 2, 1),
    )


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    for module in (pyg_zinc, heterophilous):
        monkeypatch.setattr(module, "download_url", refuse)


def test_files_are_copied_from_the_mirror_and_kept(tmp_path: Path) -> None:
    write_minesweeper(tmp_path / "mirror" / FILE)
    root = tmp_path / "data"
    first, _ = Minesweeper(DataSource(str(root), str(tmp_path / "mirror"), download=False)).load()
    assert (root / FILE).is_file()
    again, _ = Minesweeper(DataSource(str(root), None, download=False)).load()
    assert torch.equal(first["train"].edge_index, again["train"].edge_index)
    assert not list(root.rglob("processed"))
    assert [path.name for path in (root / FILE).parent.iterdir()] == ["minesweeper.npz"]


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    source = DataSource(str(tmp_path), download=False)
    write_minesweeper(tmp_path / FILE, nodes=6)
    assert Minesweeper(source).load()[0]["train"].num_nodes == 6
    write_minesweeper(tmp_path / FILE, nodes=7)
    assert Minesweeper(source).load()[0]["train"].num_nodes == 7


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("dataset", [Zinc, Minesweeper], ids=["zinc", "minesweeper"])
@pytest.mark.parametrize("download", [False, True])
def test_without_files_one_message_says_what_to_do(
    tmp_path: Path, dataset: Callable[..., Dataset], download: bool
) -> None:
    start = time.monotonic()
    with pytest.raises(UsageError) as error:
        dataset(DataSource(str(tmp_path / "data"), str(tmp_path / "nowhere"), download)).load()
    message = str(error.value)
    assert time.monotonic() - start < 5
    assert "\n" not in message
    assert str(tmp_path / "data") in message
    assert ("minesweeper.npz" if dataset is Minesweeper else "train.pickle") in message
    for hint in ("data.mirror=", "GNNLAB_MIRROR", "dataset=csl", "dataset=pattern", str(tmp_path / "nowhere")):
        assert hint in message
    assert ("Name or service not known" if download else "data.download=false") in message


def test_pygs_download_fills_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(url: str, folder: str) -> None:
        write_minesweeper(Path(folder) / url.rpartition("/")[2])

    monkeypatch.setattr(heterophilous, "download_url", download)
    splits, _ = Minesweeper(DataSource(str(tmp_path))).load()
    assert splits["train"].num_nodes == 6
    assert (tmp_path / FILE).is_file()
    assert not list(tmp_path.rglob("download-*"))


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
def test_a_damaged_file_is_named_and_a_good_one_works_afterwards(tmp_path: Path, damage: str) -> None:
    path, source = tmp_path / FILE, DataSource(str(tmp_path), download=False)
    write_minesweeper(path)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "garbage": b"<html>" * 99, "empty": b""}[damage])
    with pytest.raises(UsageError, match=r"minesweeper\.npz cannot be read"):
        Minesweeper(source).load()
    path.write_bytes(whole)
    assert Minesweeper(source).load()[0]["test"].num_nodes == 6


def test_wrong_values_are_not_cached(tmp_path: Path) -> None:
    write_minesweeper(tmp_path / FILE, label=3)
    for _ in range(2):
        with pytest.raises(UsageError, match="minesweeper, split train, graph 0, node 1: y is neither 0 nor 1"):
            Minesweeper(DataSource(str(tmp_path), download=False)).load()


def test_a_fold_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    for fold in (10, -1, "all"):
        with pytest.raises(UsageError, match="load one fold, 0 … 9"):
            Minesweeper(DataSource(str(tmp_path)), fold=fold).load()


PREPARE = """
import sys
from gnnlab.datasets.heterophilous import Heterophilous
from gnnlab.datasets.source import DataSource
source = DataSource(sys.argv[1], sys.argv[2], download=False)
print(Heterophilous(source, name="minesweeper").load()[0]["train"].num_edges)
"""


def test_two_processes_prepare_the_same_data_at_once(tmp_path: Path) -> None:
    write_minesweeper(tmp_path / "mirror" / FILE)
    command = [sys.executable, "-c", PREPARE, str(tmp_path / "data"), str(tmp_path / "mirror")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["10", "10"]
    assert len(list((tmp_path / "data").rglob("data.pt"))) == 1
