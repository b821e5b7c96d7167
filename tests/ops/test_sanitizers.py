"""AddressSanitizer and UndefinedBehaviorSanitizer find nothing in the kernels, on any case of these tests.

`make sanitize` runs this: the library is built with both, beside the usual one, and the other files of this folder run
on it in a process of their own; once as it is, and once without AVX-512, whose masked loads and stores a sanitizer
does not see.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gnnlab.ops import toolchain

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-builtin -g1 -O1"
OURS = ("test_build.py", "test_cuda.py", "test_sanitizers.py")


def runtime() -> str:
    """What must be loaded before Python: the compiler's AddressSanitizer, and the library whose `throw` it watches."""
    found = []
    for name in ("libasan.so", "libstdc++.so"):
        said = subprocess.run([*toolchain.cxx(), f"-print-file-name={name}"], capture_output=True, text=True)
        if not os.path.isabs(path := said.stdout.strip()):
            pytest.skip(f"needs a compiler with {name}")
        found.append(os.path.realpath(path))
    return " ".join(found)


def report(output: str) -> str:
    """From the first complaint on, or else the end: what a reader needs of pages of frames."""
    first = re.search(r"ERROR: |runtime error: |CHECK failed", output)
    return output[first.start() - 100 :][:6000] if first else output[-6000:]


@pytest.mark.slow
@pytest.mark.parametrize("flags", [FLAGS, f"{FLAGS} -mno-avx512f"], ids=["as it is", "without AVX-512"])
def test_the_sanitizers_find_nothing(flags: str) -> None:
    if "avx512" in flags and "avx512f" not in toolchain.processor():
        pytest.skip("this processor has no AVX-512 to leave out")
    built = {**os.environ, "GNNLAB_CXXFLAGS": flags}
    subprocess.run([sys.executable, "-m", "gnnlab.ops", "build"], cwd=ROOT, env=built, check=True)
    preloaded = {"LD_PRELOAD": runtime(), "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    files = [str(path) for path in sorted(HERE.glob("test_*.py")) if path.name not in OURS]
    command = [sys.executable, "-m", "pytest", "-m", "not gpu", "-p", "no:cacheprovider", "--capture=no", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**built, **preloaded})
    assert done.returncode == 0, report(done.stdout + done.stderr)
