"""What the README shows works as it is printed: its example files, its commands, the names it lists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gnnlab import compose
from gnnlab.config import conf_dir
from tests.test_contributing import write_examples

GROUPS = (
    "model model/conv model/mixer model/head encoding aggregation sparsifier pruning dataset loader optimizer "
    "scheduler trainer logger"
).split()
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_example_parts_train_together(tmp_path):
    write_examples(tmp_path, README)
    command = (
        "--config-dir my_conf model=gps model/conv=mine dataset=rings encoding=[in_degree,rwse] model.num_layers=1 "
        "allow=[my_convs,my_encodings,my_data] scheduler=constant trainer.max_epochs=2 logger=[csv] "
        f"out={tmp_path}/runs"
    )
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *command.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "test mae" in done.stderr
    assert len(list(tmp_path.glob("runs/*/seed0/result.json"))) == 1


@pytest.mark.parametrize("line", re.findall(r"^python train\.py (?!--help)([^#\n]*)", README, re.MULTILINE))
def test_every_command_composes(line):
    words = [word for word in shlex.split(line) if word not in ("-m", "--config-dir", "my_conf")]
    if "model/conv=mine" in words:
        return
    firsts = (re.sub(r"=(?:tag\(\w+,)?interval\(([^,]+),.*", r"=\1", word) for word in words)
    compose(*(re.sub(r"^(\w+)=([\w]+)(,\w+)+$", r"\1=\2", word) for word in firsts if not word.startswith("hydra")))


@pytest.mark.parametrize("group", GROUPS)
def test_every_choice_is_named(group):
    rows = re.findall(r"^\| ([^|]*) \| ([^|]*) \|$", README, re.MULTILINE)
    named = " ".join(choices for groups, choices in rows if f"`{group}`" in groups)
    for option in (conf_dir() / group).glob("*.yaml"):
        assert f"`{option.stem}`" in named or option.stem == "none", f"README does not name {group}={option.stem}"


def test_the_lines_of_python_run(tmp_path):
    code = re.findall(r"## From Python\n.*?```python\n(.*?)```", README, re.DOTALL)[0]
    place = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
