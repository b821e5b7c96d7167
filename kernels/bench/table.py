"""What was measured as a Markdown table, a figure and JSON."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kernels.bench.measure import Row

HEAD = ["op", "shape", "", "ours", "best peer", "ratio", "× floor", "others"]


def number(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cells(row: Row) -> list[str]:
    best = row.best_peer
    floors = ", ".join(f"{row.ours / value:.1f} {name}" for name, value in row.floors.items())
    others = ", ".join(f"{name} {number(value)}" for name, value in row.peers.items() if name != best)
    ours, theirs = f"{number(row.ours)} {row.unit}", f"{number(row.peers[best])} ({best})"
    return [row.op, row.shape, row.kind, ours, theirs, f"{row.ratio:.1f}×", floors, others]


def markdown(rows: list[Row]) -> str:
    """An aligned table, one line for each row."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)


def figure(rows: list[Row], path: Path) -> None:
    """Bars of the ratios to the best peer, by op, with a line where the two are equal."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    labels = [f"{row.op}, {row.shape}, {row.kind}" for row in rows]
    colours = {op: f"C{index % 10}" for index, op in enumerate(dict.fromkeys(row.op for row in rows))}
    drawing, axes = pyplot.subplots(figsize=(9, 1 + 0.2 * len(rows)))
    bars = axes.barh(labels, [row.ratio for row in rows], color=[colours[row.op] for row in rows])
    axes.bar_label(bars, [f" {row.ratio:.1f}  {row.best_peer}" for row in rows], fontsize=6)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="times faster than the best peer")
    axes.tick_params(axis="y", labelsize=6)
    axes.invert_yaxis()
    axes.margins(x=0.3, y=0.005)
    drawing.tight_layout()
    drawing.savefig(path, dpi=130)
    pyplot.close(drawing)


def write(rows: list[Row], family: str, machine: dict[str, Any], folder: Path) -> Path:
    """`<machine>-<threads>t/<family>.json`, `.md` and `.png` in `folder`; the path without its ending."""
    name = re.sub(r"\W+", "-", str(machine["gpu"] or machine["cpu"])).strip("-").lower()
    path = folder / f"{name}-{machine['threads']}t" / family
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = [asdict(row) | {"best_peer": row.best_peer, "ratio": row.ratio} for row in rows]
    path.with_suffix(".json").write_text(json.dumps({"machine": machine, "rows": measured}, indent=1) + "\n")
    said = ", ".join(f"{key} {value}" for key, value in machine.items() if value is not None)
    path.with_suffix(".md").write_text(f"{said}\n\n{markdown(rows)}\n")
    figure(rows, path.with_suffix(".png"))
    return path
