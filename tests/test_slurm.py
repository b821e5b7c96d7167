"""A sweep on SLURM: what the scheduler is asked for, that the jobs run, and that their table comes back.

The scheduler is three scripts that write down what they are asked and run the tasks at once.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs hydra-submitit-launcher")
ROOT = Path(__file__).parents[1]
SCHEDULER = {
    "sbatch": """
cp "${@: -1}" "$STUB/script"
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$STUB/script")
for task in $(seq 0 "$last"); do
  export SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$task SLURM_LOCALID=0 SLURM_PROCID=0 SLURM_NTASKS=1
  SLURM_NODEID=0 SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=here bash "$STUB/script" > "$STUB/task$task.log" 2>&1 &
done
echo "Submitted batch job 7"
""",
    "srun": """
echo "$@" >> "$STUB/srun"
while [[ "$1" == -* ]]; do case "$1" in --output|--error) shift;; esac; shift; done
exec "$@"
""",
    "sacct": """
echo "JobID|State|NodeList"; for task in 0 1; do echo "7_$task|RUNNING|here"; done
""",
    "scontrol": "echo here",
}


def test_a_sweep_on_slurm(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, script in SCHEDULER.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/bash\n{script}")
        path.chmod(0o755)
    asked = "timeout_min=90 partition=gpus gpus_per_node=1 cpus_per_task=8 mem_gb=32".split()
    command = [sys.executable, "train.py", "-m", "hydra/launcher=submitit_slurm", "seed=0,1", "dataset=csl"]
    command += [f"hydra.launcher.{setting}" for setting in asked]
    command += ["dataset.fold=0", "model.num_layers=1", "trainer.max_epochs=1", "trainer.progress=false"]
    command += [f"out={tmp_path}/runs", f"data.root={tmp_path}/data"]
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PATH": path, "STUB": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )
    logs = "".join(log.read_text() for log in tmp_path.glob("task*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    lines = (tmp_path / "script").read_text().splitlines()
    wanted = "time=90 partition=gpus gpus-per-node=1 cpus-per-task=8 mem=32GB ntasks-per-node=1 job-name=gnnlab"
    for option in wanted.split():
        assert f"#SBATCH --{option}" in lines
    assert "--array=0-1" in "".join(lines)
    assert any("--signal=USR2" in line for line in lines), "no warning before the time is up"
    assert (tmp_path / "srun").read_text().count("submitit.core._submit") == 2
    assert len(list(tmp_path.glob("runs/*/seed*/result.json"))) == 2
    assert "(2)" in done.stdout, "the sweep's table"
