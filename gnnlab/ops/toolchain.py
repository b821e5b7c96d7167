"""The compilers of this machine, and the libraries they make of `kernels/csrc`: one for CPUs, one for GPUs.

The sources use torch's stable ABI only, so no torch header that changes between releases is compiled: all of
it takes seconds. Each `csrc/*.cpp` holds an op for both kinds of device and is compiled into both libraries;
`csrc/cpu/*.cpp` and `csrc/cuda/*.cu` hold what only one of them has. Functions of the two have the same names,
so their symbols are hidden and they are never linked together.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path

import torch
from tqdm import tqdm

import gnnlab

STABLE = ["-std=c++20", "-O3", "-DTORCH_TARGET_VERSION=0x020a000000000000", "-DTORCH_STABLE_ONLY"]
CPU = ["-march=native", "-fopenmp", "-fPIC", "-fno-math-errno", "-ffp-contract=fast", "-fvisibility=hidden"]
CUDA = ["-x", "cu", "-DUSE_CUDA", "--expt-relaxed-constexpr", "-Xcompiler", "-fPIC,-fvisibility=hidden"]
CUDA += ["-gencode=arch=compute_80,code=sm_80", "-gencode=arch=compute_90,code=[sm_90,compute_90]"]
OLDEST_GPU = (8, 0)


class BuildError(Exception):
    """Why there is no library, in one line."""


def sources(*patterns: str) -> list[Path]:
    """Files of `kernels/csrc`, which lies in the repository or within the installed package."""
    package = Path(gnnlab.__file__).parent
    inside, beside = package / "csrc", package.parent / "kernels" / "csrc"
    folder = inside if inside.exists() else beside
    return [path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file()]


def cxx() -> list[str]:
    """The C++ compiler: $CXX, or g++ or clang++ from the path. Raises `BuildError` where there is none."""
    if wanted := shlex.split(os.environ.get("CXX", "")):
        if shutil.which(wanted[0]):
            return wanted
        raise BuildError(f"CXX={os.environ['CXX']} is not a program; unset CXX, or name a C++ compiler")
    if found := shutil.which("g++") or shutil.which("clang++"):
        return [found]
    raise BuildError("there is no C++ compiler; install g++ or clang++, or name one in CXX")


def nvcc() -> str:
    """The CUDA compiler, of torch's major version. Raises `BuildError` where there is none."""
    if torch.version.cuda is None:
        raise BuildError(f"torch {torch.__version__} is built without CUDA")
    root = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    found = shutil.which("nvcc", path=f"{root}/bin") or shutil.which("nvcc")
    if found and f"release {torch.version.cuda.split('.')[0]}." in version(found):
        return found
    raise BuildError(f"there is no nvcc of CUDA {torch.version.cuda}, torch's own; name its folder in CUDA_HOME")


def own_flags() -> list[str]:
    """`GNNLAB_CXXFLAGS`: flags of your own for the C++ compiler, `-fsanitize=address` for instance."""
    return shlex.split(os.environ.get("GNNLAB_CXXFLAGS", ""))


def identity(device: str) -> str:
    """Compilers and flags of the library for a kind of device. Raises `BuildError` where they are not there."""
    if device == "cpu":
        return "\0".join([version(*cxx()), *STABLE, *CPU, *own_flags()])
    if device == "cuda":
        return "\0".join([version(nvcc()), *STABLE, *CUDA])
    raise BuildError(f"there are kernels for cpu and cuda, and none for {device}")


@cache
def version(*command: str) -> str:
    """What a compiler says of itself."""
    return subprocess.run([*command, "--version"], capture_output=True, text=True).stdout


@cache
def processor() -> str:
    """What -march=native stands for here: home folders are shared by machines of several kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


def compile_into(folder: Path, device: str, report: Path) -> Path:
    """The library for a kind of device. Raises `BuildError`; all that a compiler then said goes into `report`."""
    here = Path(torch.__file__).parent
    if device == "cpu":
        compiler, files = [*cxx(), *STABLE, *CPU, *own_flags()], sources("*.cpp", "cpu/*.cpp")
        link = [*cxx(), "-shared", "-fopenmp", *own_flags(), f"-L{here / 'lib'}"]
        libraries = ["-ltorch", "-ltorch_cpu"]
    else:
        compiler, files = [nvcc(), *STABLE, *CUDA], sources("*.cpp", "cuda/*.cu")
        link = [nvcc(), "-shared", "-cudart", "shared", f"-L{here / 'lib'}"]
        libraries = ["-ltorch", "-ltorch_cpu", "-ltorch_cuda"]
    print(f"gnnlab: compiling the fused ops for {device}, once ({len(files)} files)", file=sys.stderr, flush=True)
    objects = [folder / f"{index}.o" for index in range(len(files))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = ([*compiler, "-isystem", str(here / "include"), "-c", str(path), "-o"] for path in files)
        running = [pool.submit(_run, job, made, report) for job, made in zip(jobs, objects, strict=True)]
        try:
            for done in tqdm(as_completed(running), total=len(running), delay=2, leave=False, disable=None):
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    made = folder / "gnnlab.so"
    _run([*link, *map(str, objects), *libraries, "-o"], made, report)
    return made


def _run(command: list[str], made: Path, report: Path) -> None:
    command = [*command, str(made)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode or not made.exists():
        lines = (done.stderr + done.stdout).strip().splitlines() or ["it said nothing"]
        report.write_text("\n".join([shlex.join(command), *lines]) + "\n", encoding="utf-8")
        said = next((line for line in lines if "error" in line), lines[0]).strip()[:200]
        raise BuildError(f"{Path(command[0]).name} failed with code {done.returncode}: {said} (all of it: {report})")
