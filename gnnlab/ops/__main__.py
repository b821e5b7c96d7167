"""`python -m gnnlab.ops`: build the kernels ahead of the first run, or say what serves here and why.

python -m gnnlab.ops build [--again]    # on a login node, say: machines that share the cache find the library
python -m gnnlab.ops report
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import torch

from gnnlab.ops import backend
from gnnlab.ops.build import home, library
from gnnlab.ops.toolchain import BuildError, cxx, nvcc, sources, version

DEVICES = ("cpu", "cuda")


def declared(*patterns: str) -> list[str]:
    """The ops that the sources declare, their backwards too."""
    texts = (path.read_text(encoding="utf-8") for path in sources(*(patterns or ("*.cpp", "cpu/*.cpp"))))
    return sorted({name for text in texts for name in re.findall(r"^GNNLAB_OP\((\w+)", text, re.M)})


def names() -> list[str]:
    """The ops that have kernels; what plays recorded layers is none."""
    player = declared("cpu/program.cpp")
    return [name for name in declared() if name not in player and not name.endswith("_backward")]


def build(again: bool) -> int:
    """Print where each library is and the seconds it took, or why there is none; exit code 1 without any."""
    built = 0
    for device in DEVICES:
        start = time.perf_counter()
        try:
            print(f"{device}  {library(device, anew=again)}  {time.perf_counter() - start:.1f} s")
            built += 1
        except BuildError as error:
            print(f"{device}  none: {error}", file=sys.stderr)
    return 0 if built else 1


def report() -> int:
    """Print who serves each op on each kind of device, and what that depends on."""
    width = max(map(len, names()))
    reasons: dict[tuple[str, str], list[str]] = {}
    print(f"{'op':<{width}}  {'cpu':<9}  cuda")
    for name in names():
        found = [backend.why_not(name, device) for device in DEVICES]
        print(f"{name:<{width}}  " + "  ".join(f"{'reference' if why else 'fused':<9}" for why in found).rstrip())
        for pair in zip(DEVICES, found, strict=True):
            reasons.setdefault(pair, []).append(name)
    print()
    for (device, why), ops in reasons.items():
        if why:
            which = "" if ops == names() else f" ({', '.join(ops)})"
            print(f"plain torch on {device}{which}: {why}")
    for what, value in facts().items():
        print(f"{what:<13}  {value}")
    return 0


def facts() -> dict[str, str]:
    """The tools that were found."""

    def first(find: Callable[[], str]) -> str:
        try:
            return find()
        except BuildError as reason:
            return f"none: {reason}"

    scatter = "a peer in the bench; not a backend, see kernels/README.md" if find_spec("torch_scatter") else "none"
    return {
        "torch": torch.__version__,
        "C++ compiler": first(lambda: version(*cxx()).partition("\n")[0]),
        "nvcc": first(nvcc),
        "libraries": str(home()),
        "torch-scatter": scatter,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gnnlab.ops", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="compile the libraries now").add_argument("--again", action="store_true")
    commands.add_parser("report", help="which implementation serves each op, and why")
    arguments = parser.parse_args()
    return build(arguments.again) if arguments.command == "build" else report()


if __name__ == "__main__":
    sys.exit(main())
