"""The notebooks: saved from whole runs, with nothing of the machine in them; they run from top to bottom."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def outputs(notebook: dict) -> str:
    """All that is written under the cells, without images."""
    found = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return json.dumps([{**output, "data": {**output.get("data", {}), "image/png": ""}} for output in found])


def test_there_are_five() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_saved_as_it_ran(path: Path) -> None:
    notebook = json.loads(path.read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run it from top to bottom"
    assert not re.search(r'"output_type": "error"', outputs(notebook))
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert any(cell["outputs"] for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_the_machine_is_in_the_outputs(path: Path) -> None:
    written = outputs(json.loads(path.read_text()))
    assert not re.findall(r"https?://\S+|(?<![\w.])/(?:home|root|usr|tmp|work|opt|mnt|Users)/\S+", written)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbmake", reason="needs the extra: pip install -e .[notebooks]")
    copy = tmp_path / "notebooks" / path.name
    copy.parent.mkdir()
    copy.write_text(path.read_text())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbmake",
        "--nbmake-kernel=python3",
        "-p",
        "no:cacheprovider",
        str(copy),
    ]
    place = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
