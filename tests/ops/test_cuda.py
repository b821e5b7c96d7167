"""The CUDA half: every source compiles for Ampere and Hopper, the library links, loads and has a kernel for every op.

`make cuda` runs this. It needs nvcc and no GPU. Where torch has no CUDA either, what the kernels call of its CUDA
library is stood in for, so all but the running of a kernel is tried.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gnnlab.ops import toolchain
from gnnlab.ops.__main__ import declared
from gnnlab.ops.build import library

STAND_IN = """
extern "C" int aoti_torch_get_current_cuda_stream(int, void** stream) { *stream = 0; return 0; }
"""
LOAD = """
import sys, torch
torch.ops.load_library(sys.argv[1])
torch.ops.load_library(sys.argv[2])
has = torch._C._dispatch_has_kernel_for_dispatch_key
lacking = [name for name in sys.argv[3:] for key in ("CPU", "CUDA") if not has("gnnlab::" + name, key)]
sys.exit(f"no kernels for {lacking}" if lacking else 0)
"""


def stand_in(folder: Path) -> None:
    """A `libtorch_cuda.so` with what the kernels call."""
    source, made = folder / "stand_in.cpp", folder / "libtorch_cuda.so"
    source.write_text(STAND_IN)
    subprocess.run([*toolchain.cxx(), "-shared", "-fPIC", str(source), "-o", str(made)], check=True)


@pytest.mark.slow
def test_all_sources_compile_link_and_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "lib64"]
    if torch.version.cuda is None:
        compiler = shutil.which("nvcc", path=str(paths[0].parent / "bin")) or shutil.which("nvcc")
        if compiler is None:
            pytest.skip("needs nvcc: there is none on the path or in CUDA_HOME")
        monkeypatch.setattr(toolchain, "nvcc", lambda: compiler)
        stand_in(tmp_path)
        paths.append(tmp_path)
        monkeypatch.setenv("LIBRARY_PATH", str(tmp_path))
    made = toolchain.compile_into(tmp_path, "cuda", tmp_path / "build.log")
    search = ":".join([*map(str, paths), os.environ.get("LD_LIBRARY_PATH", "")])
    command = [sys.executable, "-c", LOAD, str(library("cpu")), str(made), *declared("*.cpp", "cuda/*.cu")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LD_LIBRARY_PATH": search})
    assert done.returncode == 0, done.stderr
