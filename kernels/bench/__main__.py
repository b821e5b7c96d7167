"""`python -m kernels.bench [--only NAME]`: ours beside PyG, in one interleaved run.

Prints a table of medians and ratios and writes it, with the machine's name, to `results/<cpu>-<threads>t.json`.
"""

import argparse
import json
import os
import re
from pathlib import Path
from typing import Any

import torch

from gnnlab.results.record import environment
from kernels.bench import encodings, loader, step

BENCHES = {"loader": loader.rows, "encodings": encodings.rows, "step": step.rows}


def number(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows: list[dict[str, Any]]) -> str:
    """Aligned Markdown."""
    cells = [["what", "ours", "peer", "", "ratio", "against"]]
    cells += [
        [row["what"], number(row["ours"]), number(row["peer"]), row["unit"], f"{row['ratio']:.1f}×", row["peer_name"]]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=BENCHES, help="one of the benches")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = [row for name, rows in BENCHES.items() if arguments.only in (None, name) for row in rows()]
    print(table(rows))
    if arguments.only is None:
        machine = environment()
        name = re.sub(r"\W+", "-", str(machine["cpu"])).strip("-").lower()
        path = Path(__file__).parent / "results" / f"{name}-{arguments.threads}t.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
