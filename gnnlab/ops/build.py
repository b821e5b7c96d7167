"""Compiles `kernels/csrc` into one library, once for each source, torch, compiler and processor.

The sources use torch's stable ABI only, so no torch header that changes between releases is compiled: all of
it takes seconds. Each `csrc/*.cpp` holds an op for both kinds of device and is compiled twice where there is an
`nvcc` that fits torch; `csrc/cpu/*.cpp` and `csrc/cuda/*.cu` hold what only one of them has.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock

import gnnlab

STABLE = ["-std=c++20", "-O3", "-DTORCH_TARGET_VERSION=0x020a000000000000", "-DTORCH_STABLE_ONLY"]
CPU = ["-march=native", "-fopenmp", "-fPIC", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=hidden"]
CUDA = ["-x", "cu", "-DUSE_CUDA", "-Xcompiler", "-fPIC", "--expt-relaxed-constexpr"]


class BuildError(Exception):
    """Why there is no library: one sentence, and the compiler's own words where it has any."""


def sources() -> Path:
    """The folder `kernels/csrc`: in the repository, or within the installed package."""
    package = Path(gnnlab.__file__).parent
    inside, beside = package / "csrc", package.parent / "kernels" / "csrc"
    return inside if inside.exists() else beside


def compiler() -> str:
    """The C++ compiler: $CXX, or g++ or clang++ from the path. Raises `BuildError` where there is none."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and (found := shutil.which(name)):
            return found
    raise BuildError("there is no C++ compiler: install g++ or clang++, or set CXX")


def nvcc() -> str | None:
    """The CUDA compiler, if this torch has CUDA and its major version is the compiler's."""
    if torch.version.cuda is None:
        return None
    root = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    found = shutil.which("nvcc") or shutil.which("nvcc", path=f"{root}/bin")
    if found and f"release {torch.version.cuda.split('.')[0]}." in _version(found):
        return found
    return None


def architectures() -> list[str]:
    """nvcc's flags for the GPUs of this machine; for Ampere and Hopper where it has none."""
    seen = {torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())} or {(8, 0), (9, 0)}
    names = sorted(f"{major}{minor}" for major, minor in seen)
    return [f"-gencode=arch=compute_{name},code=sm_{name}" for name in names]


def library() -> Path:
    """The built library, compiled now if it is not there. Raises `BuildError`."""
    folder = _cache() / _key()
    path = folder / "gnnlab.so"
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if not path.exists():
                print("gnnlab: compiling the fused ops, once (under a minute)", file=sys.stderr, flush=True)
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    compiled = _compile(Path(scratch))
                    os.replace(compiled, path)
    except OSError as error:
        raise BuildError(f"the library could not be written to {folder}: {error}") from error
    return path


def _compile(scratch: Path) -> Path:
    include = Path(torch.__file__).parent / "include"
    common = [*STABLE, "-isystem", str(include)]
    jobs = [[compiler(), *common, *CPU, "-c", str(source)] for source in _list("*.cpp", "cpu/*.cpp")]
    if cuda := nvcc():
        jobs += [[cuda, *common, *CUDA, *architectures(), "-c", str(s)] for s in _list("*.cpp", "cuda/*.cu")]
    objects = [scratch / f"{index}.o" for index in range(len(jobs))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job, made: _run([*job, "-o", str(made)]), jobs, objects))
    libraries = Path(torch.__file__).parent / "lib"
    link = ["-shared", "-fopenmp", *map(str, objects), f"-L{libraries}", "-ltorch", "-ltorch_cpu", "-lc10"]
    if cuda:
        link += ["-ltorch_cuda", "-lc10_cuda", f"-L{Path(cuda).parents[1] / 'lib64'}", "-lcudart"]
    made = scratch / "gnnlab.so"
    _run([compiler(), *link, "-o", str(made)])
    return made


def _list(*patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in sorted(sources().glob(pattern))]


def _key() -> str:
    """All that the library depends on."""
    digest = hashlib.sha256()
    for path in _list("**/*"):
        if path.is_file():
            digest.update(f"{path.relative_to(sources())}\0".encode() + path.read_bytes() + b"\0")
    parts = [torch.__version__, _version(compiler()), _processor(), *STABLE, *CPU]
    if cuda := nvcc():
        parts += [_version(cuda), *CUDA, *architectures()]
    digest.update("\0".join(parts).encode())
    return digest.hexdigest()[:16]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gnnlab" / "kernels"


@cache
def _processor() -> str:
    """What -march=native stands for here: home folders are shared by machines of several kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


@cache
def _version(path: str) -> str:
    return subprocess.run([path, "--version"], capture_output=True, text=True).stdout


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[:8])
        raise BuildError(f"{Path(command[0]).name} failed (code {done.returncode}) on {' '.join(command)}\n{said}")
