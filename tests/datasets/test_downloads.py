"""Every download puts the raw files where the mirror has them, however PyG's loaders and archives arrange them."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
import torch_geometric.datasets as pyg
from torch_geometric.io import fs

from gnnlab.datasets import heterophilous, ogb
from gnnlab.datasets.benchmarking_gnns import AQSOL, TSP, ImageSuperpixels
from gnnlab.datasets.bitcoin_otc import BitcoinOTC
from gnnlab.datasets.code2 import Code2
from gnnlab.datasets.geom_gcn import GeomGCN
from gnnlab.datasets.heterophilous import Heterophilous
from gnnlab.datasets.lrgb import Peptides, Superpixels
from gnnlab.datasets.ogb import PPA, OGBMolecules, OGBNodes
from gnnlab.datasets.pcqm_contact import PCQMContact
from gnnlab.datasets.planetoid import Planetoid, PlanetoidGeomGCN
from gnnlab.datasets.source import DataSource
from gnnlab.datasets.tu import TU, TUMolecules
from gnnlab.errors import UsageError

OGB_SPLIT = [f"{part}.csv.gz" for part in ("train", "valid", "test")]
TABLES = ["edge", "node-feat", "edge-feat", "num-node-list", "num-edge-list", "graph-label", "node-label"]
OF_NODES = ["node_depth", "node_is_attributed", "node_dfs_order"]
TU_PARTS = ["A", "graph_indicator", "graph_labels"]
ARCHIVES = {
    "MUTAG.zip": [f"MUTAG/MUTAG_{part}.txt" for part in (*TU_PARTS, "node_labels", "edge_labels")],
    "IMDB-BINARY.zip": [f"IMDB-BINARY/IMDB-BINARY_{part}.txt" for part in TU_PARTS],
    "peptidesfunc.zip": [f"peptidesfunc/{split}.pt" for split in ("train", "val", "test")],
    "cocosp.zip": [f"coco_superpixels_edge_wt_region_boundary/{split}.pickle" for split in ("train", "val", "test")],
    "pcqmcontact.zip": [f"pcqmcontact/{split}.pt" for split in ("train", "val", "test")],
    "MNIST_v2.zip": ["MNIST_v2.pt"],
    "TSP_v2.zip": ["TSP_v2.pt"],
    "aqsol_graph_raw.zip": [f"asqol_graph_raw/{split}.pickle" for split in ("train", "val", "test")],
    "hiv.zip": [f"hiv/raw/{table}.csv.gz" for table in TABLES] + [f"hiv/split/scaffold/{part}" for part in OGB_SPLIT],
    "ogbg_ppi_medium.zip": [f"ogbg_ppi_medium/raw/{table}.csv.gz" for table in TABLES]
    + [f"ogbg_ppi_medium/split/species/{part}" for part in OGB_SPLIT],
    "code2.zip": [f"code2/raw/{table}.csv.gz" for table in (*TABLES, *OF_NODES)]
    + [f"code2/split/project/{part}" for part in OGB_SPLIT],
    "arxiv.zip": [f"arxiv/raw/{table}.csv.gz" for table in TABLES] + [f"arxiv/split/time/{part}" for part in OGB_SPLIT],
}  # fmt: skip
"""What the archives hold, as far as it is read."""


def served(name: str) -> bytes:
    """What the server sends for a file of this name."""
    if name not in ARCHIVES:
        return gzip.compress(b"1,2,3,4\n") if name.endswith(".gz") else b"content"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for inner in ARCHIVES[name]:
            file.writestr(inner, "content")
    return archive.getvalue()


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """PyG's ways to the network, answered here; the addresses that were asked for."""
    asked = []

    def download_url(url: str, folder: str) -> str:
        asked.append(url)
        path = Path(folder, url.rpartition("/")[2].partition("?")[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(served(path.name))
        return str(path)

    def cp(url: str, folder: str, extract: bool = False) -> None:
        path = Path(download_url(url, folder))
        if extract:
            zipfile.ZipFile(path).extractall(folder)
            path.unlink()

    for name in ("webkb", "actor", "wikipedia_network", "lrgb", "gnn_benchmark_dataset", "aqsol", "bitcoin_otc"):
        monkeypatch.setattr(getattr(pyg, name), "download_url", download_url)
    for module in (heterophilous, ogb):
        monkeypatch.setattr(module, "download_url", download_url)
    monkeypatch.setattr(fs, "cp", cp)
    return asked


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((GeomGCN, name) for name in ("texas", "actor", "squirrel")),
        (Heterophilous, "questions"),
        (Heterophilous, "squirrel_filtered"),
        (Planetoid, "PubMed"),
        (PlanetoidGeomGCN, "PubMed"),
        (TU, "IMDB-BINARY"),
        (TUMolecules, "MUTAG"),
        (Peptides, "func"),
        (Superpixels, "coco"),
        (ImageSuperpixels, "MNIST"),
        (OGBMolecules, "molhiv"),
        (OGBNodes, "arxiv"),
        (AQSOL, None),
        (BitcoinOTC, None),
        (TSP, None),
        (PPA, None),
        (Code2, None),
        (PCQMContact, None),
    ],
)
def test_files_come_to_lie_where_they_are_read(tmp_path: Path, server: list[str], kind, name) -> None:
    raw = kind(DataSource(str(tmp_path)), **({"task" if kind is Peptides else "name": name} if name else {})).raw()
    assert server
    assert raw.missing() == []
    assert not list(tmp_path.rglob("download-*"))
    assert not list(tmp_path.rglob("processed"))


def test_an_archive_without_a_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHIVES, "hiv.zip", ARCHIVES["hiv.zip"][1:])
    with pytest.raises(UsageError, match=r"The download had no raw/edge\.csv\.gz"):
        OGBMolecules(DataSource(str(tmp_path)), "molhiv").load()
