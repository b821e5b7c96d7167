"""The recipes of CONTRIBUTING.md work as they are printed, together with those of the README they point to."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gnnlab.config import conf_dir

ROOT = Path(__file__).parents[1]
TEXTS = [(ROOT / name).read_text() for name in ("CONTRIBUTING.md", "README.md")]
COMMANDS = re.findall(r"^PYTHONPATH=\. python train\.py ([^\n]*)", TEXTS[0], re.MULTILINE)
QUICK = "scheduler=constant trainer.max_epochs=1 logger=[csv] preset=none model.num_layers=1 model.hidden_dim=32"


def blocks(text: str) -> list[tuple[str, str]]:
    """(file, content) of every block whose first line is a comment with a file's name."""
    return re.findall(r"```(?:python|yaml|cpp)\n(?:#|//) (\S+\.\w+)\n(.*?)```", text, re.DOTALL)


def write_examples(folder: Path, text: str) -> None:
    for name, content in blocks(text):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every example file, written as printed."""
    made = tmp_path_factory.mktemp("recipes")
    for text in TEXTS:
        write_examples(made, text)
    return made


def run(arguments: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_command_trains(folder: Path) -> None:
    lines = []
    for command in COMMANDS:
        if "dataset=" not in command:
            command = command.replace("allow=[", "allow=[my_data,") + " dataset=rings"
        lines.append(f"{command} {QUICK} out={folder / 'runs'} data.root={folder / 'data'}".replace("'", "").split())
    code = "import sys; from gnnlab.cli import main\nfor sys.argv in {}: assert main() == 0"
    printed = run(["-c", code.format([["train.py", *line] for line in lines])], folder)
    assert printed.count("test mae") == len(COMMANDS) == 4


def test_the_laws_of_a_part_outside(folder: Path) -> None:
    assert "1 passed" in run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "my_test.py"], folder)


def copied(folder: Path) -> Path:
    """What a part inside the repository changes, copied."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("gnnlab", "conf", "kernels/csrc", "tests/ops"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


@pytest.mark.slow
def test_a_norm_is_a_name_and_a_line(tmp_path: Path) -> None:
    diff = re.findall(r"```diff\n(.*?)```", TEXTS[0], re.DOTALL)
    file = copied(tmp_path) / "gnnlab" / "nn" / "norm.py"
    for hunk in diff[0].split("@@ @@\n")[1:]:
        lines = hunk.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in (sign, " ")) for sign in "-+")
        assert file.read_text().count(old) == 1, f"gnnlab/nn/norm.py has no {old}"
        file.write_text(file.read_text().replace(old, new))
    code = (
        "from gnnlab import compose; from gnnlab.config import build; from gnnlab.testing import *;"
        "cfg = compose('dataset=zinc', 'model.norm=group', 'encoding=[]', 'preset=none');"
        "assert_batch_independent(build(cfg.model, spec=sample_spec('graph'), encodings=[]), sample())"
    )
    run(["-c", code], tmp_path, PYTHONPATH=str(tmp_path))


@pytest.mark.slow
def test_an_op_is_held_to_its_reference(tmp_path: Path) -> None:
    tree = copied(tmp_path)
    for name, content in blocks(TEXTS[0]):
        if "relu_sum" in name:
            (tree / name).write_text(content)
    place = {"PYTHONPATH": str(tree), "XDG_CACHE_HOME": str(tree / "cache")}
    test = ["-m", "pytest", "-q", "--import-mode=importlib", "--rootdir", str(tree), "tests/ops/test_relu_sum.py"]
    assert "1 passed" in run(test, tree, **place)


@pytest.mark.parametrize("group", re.findall(r"`conf/([\w/]+)`", TEXTS[0]))
def test_every_folder_named_is_there(group: str) -> None:
    assert (conf_dir() / group).is_dir()
