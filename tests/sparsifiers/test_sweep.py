"""One line sweeps sparsifiers, shares and models; the table at its end has a row for each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
LINE = "-m sparsifier=teddy,random sparsifier.keep=0.4,0.8 model=gcn,gat"


@pytest.mark.slow
def test_a_sweep_of_sparsifiers_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "tiny.yaml").write_text("_target_: tests.composition.tiny.PlainNodes\ntarget: multiclass\n")
    places = [f"out={tmp_path / 'runs'}", f"data.root={tmp_path / 'data'}", "allow=[tests]", "dataset=tiny"]
    quick = ["encoding=[]", "trainer.max_epochs=1", "model.hidden_dim=16", "trainer.progress=false", "logger=csv"]
    command = [sys.executable, "train.py", "--config-dir", str(tmp_path), *LINE.split(), *quick, *places]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| gcn", "| gat", "| tiny"))]
    assert len(rows) == 8, done.stdout
