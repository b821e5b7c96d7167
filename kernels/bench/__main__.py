"""`python -m kernels.bench [--only NAME] [--quick] [--device cuda] [--out FOLDER]`: ours beside the peers.

Contenders take turns, and medians count. A full run writes a table, a figure and JSON to `results/` under the
machine's name; a part, or a quick one, only where `--out` says.
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from gnnlab.results.provenance import environment
from kernels.bench import table
from kernels.bench.measure import SETTINGS, Row

BENCHES = ("loader", "encodings", "segment", "edges", "attention", "scan", "dense", "models")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kernels.bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, action="append", help="this family; may be given again")
    parser.add_argument("--op", action="append", help="of the families of ops, this op alone; may be given again")
    parser.add_argument("--quick", action="store_true", help="small shapes and few repeats: does it run?")
    parser.add_argument("--seconds", type=float, default=3.0, help="to spend on one comparison, about")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--out", type=Path, help="folder for the table, the figure and JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    SETTINGS.device, SETTINGS.quick, SETTINGS.seconds = arguments.device, arguments.quick, arguments.seconds
    SETTINGS.ops = tuple(arguments.op or ())
    whole = not arguments.only and not arguments.op and not arguments.quick
    out = arguments.out or (Path(__file__).parent / "results" if whole else None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    try:
        failed = measure(arguments.only or BENCHES, rows)
    finally:
        print(table.write(rows, environment(), out) if out and rows else table.markdown(rows))
    sys.exit(failed)


def measure(names: Sequence[str], rows: list[Row]) -> bool:
    """Add the families' rows one by one; whether a family failed. The others are worth having."""
    failed = False
    for name in names:
        try:
            for row in import_module(f"kernels.bench.{name}").rows():
                rows.append(row)
                print(f"{row.op}, {row.shape}, {row.kind}: {row.ratio:.1f}× {row.best_peer}", flush=True)
        except Exception:
            traceback.print_exc()
            failed = True
    return failed


if __name__ == "__main__":
    main()
