"""Fifty mistakes and mishaps: each ends with its exit code and one clear message, and loses nothing.

Every row is a command line; `{tmp}` is a fresh folder that `prepare` may put files into.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from gnnlab.cli import main

TINY = "dataset=csl dataset.fold=0 preset=none model.hidden_dim=32 model.num_layers=1 trainer.max_epochs=1"
HERE = Path(__file__).parents[1]

DATASET = """
from dataclasses import dataclass
from typing import ClassVar
import torch
from gnnlab.datasets.base import Dataset
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec

@dataclass(frozen=True)
class Odd(Dataset):
    gives: ClassVar[tuple[str, ...]] = ("graph_level",)
    feature: float = 0.0
    label: int = 0

    def spec(self):
        return GraphSpec("odd", "graph", "multiclass", 2, "accuracy", Feature.continuous(1))

    def key(self):
        return {"feature": str(self.feature), "label": self.label}

    def build(self):
        one = Packed.from_tensors(
            torch.tensor([3]), torch.tensor([2]), torch.tensor([[0, 1], [1, 2]]),
            node={"x": torch.full((3, 1), self.feature)}, graph={"y": torch.tensor([self.label])})
        return {"train": one, "val": one, "test": one}
"""


def odd_dataset(tmp: Path) -> None:
    (tmp / "odd_parts.py").write_text(DATASET)
    (tmp / "conf/dataset").mkdir(parents=True)
    (tmp / "conf/dataset/odd.yaml").write_text("_target_: odd_parts.Odd\n")


def conv_yaml(text: str) -> Callable[[Path], None]:
    def write(tmp: Path) -> None:
        (tmp / "conf/model/conv").mkdir(parents=True)
        (tmp / "conf/model/conv/mine.yaml").write_text(text)

    return write


def unfinished_part(tmp: Path) -> None:
    (tmp / "mine_parts.py").write_text("class Mine:\n    def __init__(self\n")
    conv_yaml("_target_: mine_parts.Mine\n_partial_: true\n")(tmp)


def raw_minesweeper(content: bytes) -> Callable[[Path], None]:
    def write(tmp: Path) -> None:
        folder = tmp / "data/HeterophilousGraphDataset/minesweeper/raw"
        folder.mkdir(parents=True)
        (folder / "minesweeper.npz").write_bytes(content)

    return write


def truncated_npz() -> bytes:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"gnnlab-faults-{os.getpid()}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("node_features.npy", b"0" * 4000)
    content = path.read_bytes()
    path.unlink()
    return content[: len(content) // 2]


class Payload:
    """What a hostile checkpoint would carry."""

    def __reduce__(self):
        return (os.system, ("touch hostile-checkpoint-was-here",))


@cache
def finished_run() -> TemporaryDirectory:
    """A folder with a run of TINY."""
    home = TemporaryDirectory()
    assert call(f"{TINY} trainer.max_epochs=2 out={home.name}/first data.root={home.name}/data") == 0
    return home


def damaged_run(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """A run of TINY whose result is gone and whose checkpoint is damaged: `resume={tmp}/run` must refuse it."""

    def write(tmp: Path) -> None:
        (run,) = Path(finished_run().name).glob("first/*/seed*")
        shutil.copytree(run, tmp / "run")
        (tmp / "run/result.json").unlink()
        damage(tmp / "run/checkpoint.pt")

    return write


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def a_file(tmp: Path) -> None:
    (tmp / "file").write_text("not a folder")


@dataclass
class Row:
    name: str
    command: str
    says: tuple[str, ...]
    code: int = 2
    prepare: Callable[[Path], None] = lambda tmp: None


OWN = "--config-dir {tmp}/conf allow=[odd_parts] dataset=odd model=gps model/conv=gin encoding=[]"
RESUME = f"{TINY} trainer.max_epochs=2 resume={{tmp}}/run"

ROWS = [
    Row("model typo", "model=gpss", ("gpss", "gps")),
    Row("group typo", "datset=zinc", ("datset", "dataset")),
    Row("key typo", "trainer.max_epoch=3", ("trainer.max_epoch", "trainer.max_epochs")),
    Row("added key", "+trainer.lr=0.1", ("trainer.lr",)),
    Row("added root key", "+sead=1", ("sead", "seed")),
    Row("conv typo", "model/conv=gien", ("gien", "gine")),
    Row("encoding typo", "encoding=[rwze]", ("rwze", "rwse")),
    Row("scheduler typo", "scheduler=cosin", ("cosin", "cosine")),
    Row("preset typo", "preset=gps_zink", ("gps_zink", "gps_zinc")),
    Row("text for a whole number", "trainer.max_epochs=many", ("trainer.max_epochs", "int")),
    Row("fraction for a whole number", "model.mixer.num_heads=2.5", ("model.mixer.num_heads", "int")),
    Row("text for a number", "model.dropout=some", ("model.dropout", "float")),
    Row("text for the seed", "seed=first", ("seed", "int")),
    Row("one of a list", "trainer.precision=fp16", ("trainer.precision", "bf16")),
    Row("readout typo", "model.head.readout=summ", ("summ", "sum")),
    Row("syntax", "model.hidden_dim=[64", ("model.hidden_dim",)),
    Row("a dashed option", "--lr 0.1", ("--lr", "key=value")),
    Row("a sweep without -m", "model=gps,gin", ("-m",)),
    Row("no such config dir", "--config-dir {tmp}/nowhere", ("nowhere",)),
    Row("target outside", "model.conv._target_=os.system", ("os.system", "allow")),
    Row("target in a file from elsewhere", "--config-dir {tmp}/conf model/conv=mine", ("os.system",),
        prepare=conv_yaml("_target_: os.system\ncommand: touch owned\n")),
    Row("torch.hub", "--config-dir {tmp}/conf model/conv=mine", ("torch.hub.load",),
        prepare=conv_yaml("_target_: torch.hub.load\nrepo_or_dir: x\n_partial_: true\n")),
    Row("a file cannot allow itself", "--config-dir {tmp}/conf model/conv=mine", ("mypkg.Conv",),
        prepare=conv_yaml("# @package _global_\nallow: [mypkg]\nmodel: {conv: {_target_: mypkg.Conv}}\n")),
    Row("class typo in a file", "--config-dir {tmp}/conf model/conv=mine", ("GINN", "GIN"),
        prepare=conv_yaml("_target_: gnnlab.nn.conv.gin.GINN\n_partial_: true\n")),
    Row("broken YAML", "--config-dir {tmp}/conf model/conv=mine", ("mine",),
        prepare=conv_yaml("_target_: [unclosed\n")),
    Row("a part that is not Python", "--config-dir {tmp}/conf allow=[mine_parts] model/conv=mine",
        ("mine_parts.py, line 2",), prepare=unfinished_part),
    Row("no epochs", "trainer.max_epochs=0", ("max_epochs",)),
    Row("impossible decay", "trainer.ema=1.5", ("trainer.ema",)),
    Row("no such fold", "dataset.fold=7", ("fold", "7")),
    Row("no GPU", f"{TINY} trainer.device=cuda", ("cuda",)),
    Row("heads do not divide", f"{TINY} model.mixer.num_heads=5", ("num_heads=5", "hidden_dim=32")),
    Row("no heads", f"{TINY} model.mixer.num_heads=0", ("num_heads=0",)),
    Row("no width", f"{TINY} model.hidden_dim=0", ("hidden_dim=0",)),
    Row("no eigenvectors", f"{TINY} encoding=[spe] encoding.spe.k=0", ("encoding.spe.k",)),
    Row("encodings too wide", f"{TINY} encoding.rwse.dim=32", ("hidden_dim", "32")),
    Row("neither conv nor mixer", f"{TINY} model/conv=none model/mixer=none", ("model/conv", "model/mixer")),
    Row("head needs pairs of nodes", f"{OWN} model/head=dot", ("model/head=dot", "pair of nodes", "dataset=odd"),
        prepare=odd_dataset),
    Row("NaN features", f"{OWN} dataset.feature=nan", ("odd", "train"), prepare=odd_dataset),
    Row("label out of range", f"{OWN} dataset.label=2", ("odd", "graph 0", "class outside 0 … 1"), prepare=odd_dataset),
    Row("no files, no download", "dataset=zinc data.download=false data.mirror=null",
        ("ZINC", "data.mirror", "dataset=csl")),
    Row("no files, no network", "dataset=minesweeper data.mirror=null", ("minesweeper.npz", "data.mirror")),
    Row("garbage raw file", "dataset=minesweeper data.mirror=null", ("minesweeper.npz",),
        prepare=raw_minesweeper(b"not an archive")),
    Row("truncated raw file", "dataset=minesweeper data.mirror=null", ("minesweeper.npz",),
        prepare=raw_minesweeper(truncated_npz())),
    Row("nothing to resume", f"{TINY} resume={{tmp}}/nowhere", ("nowhere", "run folder")),
    Row("resume of another config", f"{RESUME} model.num_layers=2", ("num_layers",),
        prepare=damaged_run(lambda path: None)),
    Row("truncated checkpoint", RESUME, ("checkpoint.pt",), prepare=damaged_run(truncate)),
    Row("garbage checkpoint", RESUME, ("checkpoint.pt",),
        prepare=damaged_run(lambda path: path.write_bytes(b"garbage"))),
    Row("hostile checkpoint", RESUME, ("checkpoint.pt",),
        prepare=damaged_run(lambda path: torch.save({"model": Payload()}, path))),
    Row("output under a file", f"{TINY} out={{tmp}}/file/runs", ("file", "out="), prepare=a_file),
]  # fmt: skip


def call(command: str) -> int:
    before = sys.argv
    sys.argv = ["train.py", *command.split()]
    try:
        return main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_one_clear_message(row, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("socket.create_connection", no_network)
    row.prepare(tmp_path)
    capfd.readouterr()
    command = row.command.format(tmp=tmp_path)
    out, root = "" if "out=" in command else f" out={tmp_path}/runs", f" data.root={tmp_path}/data"
    code = call(command + out + root)
    said = capfd.readouterr().err
    assert code == row.code, said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if line.startswith("error:")]) == 1, said
    for text in row.says:
        assert text in said
    assert not (tmp_path / "hostile-checkpoint-was-here").exists()
    assert not (tmp_path / "owned").exists()


def no_network(*_: object, **__: object) -> None:
    raise OSError("Network is unreachable")


def test_a_full_disk_stops_no_run_and_keeps_the_result(tmp_path):
    """No file may grow beyond 64 KiB, so checkpoints fail to be written; the numbers are kept all the same."""
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); "
    program = limit + "from gnnlab.cli import main; sys.exit(main())"
    command = f"{TINY} logger=[csv] out={tmp_path}/runs data.root={tmp_path}/data".split()
    done = subprocess.run([sys.executable, "-c", program, *command], cwd=HERE, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "checkpoint.pt" in done.stderr
    assert list(tmp_path.glob("runs/*/*/metrics.csv"))
    assert list(tmp_path.glob("runs/*/*/result.json")), done.stderr
