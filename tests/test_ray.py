"""A sweep on Ray, by the published launcher: jobs in processes of a cluster, their table, and nothing run twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="needs hydra-ray-launcher")
ROOT = Path(__file__).parents[1]


def sweep(home: Path) -> subprocess.CompletedProcess:
    """Two seeds, and a job that cannot be."""
    command = [sys.executable, "train.py", "-m", "hydra/launcher=ray", "seed=0,1", "optimizer.lr=1e-3,-1"]
    command += ["+hydra.launcher.ray.init.include_dashboard=false", "+hydra.launcher.ray.init.num_cpus=2"]
    command += ["dataset=csl", "dataset.fold=0", "model.num_layers=1", "trainer.max_epochs=1", "trainer.progress=false"]
    command += ["logger=[csv]", f"out={home}/runs", f"data.root={home}/data"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, env=environment)


@pytest.mark.slow
def test_a_sweep_on_ray(tmp_path: Path) -> None:
    first = sweep(tmp_path)
    assert first.returncode == 1, first.stdout + first.stderr
    results = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/seed*/result.json")}
    again = sweep(tmp_path)
    for done in (first, again):
        assert "(2)" in done.stdout, "the table, in the process that was started"
        assert "optimizer does not fit" in done.stdout, "the jobs that failed, by their reason"
    assert all(path.stat().st_mtime_ns == then for path, then in results.items() if "complete" in path.read_text())
    assert "nothing left to run" in again.stdout + again.stderr
