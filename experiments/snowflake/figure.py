"""Test score over the depth, a panel for each data set and backbone: `results.csv` beside this file to `accuracy.png`.

python experiments/snowflake/figure.py
"""

import csv
from collections import defaultdict
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from gnnlab.results.style import COLORS, LOOK, save

HERE = Path(__file__).parent
NAMES = {"none": "plain", "snowflake": "snowflake", "snowflake_v1": "snowflake v1", "snowflake_v2": "snowflake v2"}
Line = list[tuple[int, float, float]]


def lines(path: Path) -> dict[str, dict[str, Line]]:
    """By data set and backbone, and there by policy: depth, mean and standard deviation."""
    found: dict[str, dict[str, Line]] = defaultdict(lambda: defaultdict(list))
    with path.open() as file:
        for row in csv.DictReader(file):
            metric = next(name for name in row if name.startswith("test/") and name.endswith(" mean") and row[name])
            mean, spread = float(row[metric]), float(row[metric.replace(" mean", " std")] or 0)
            panel = f"{row['dataset']}, {backbone(row)}"
            found[panel][row["aggregation"]].append((int(row["model.num_layers"]), mean, spread))
    return found


def backbone(row: dict[str, str]) -> str:
    if row["model"] != "mpnn":
        return row["model"].upper()
    return "JKNet" if row["model/head"] == "jumping" else row["model/conv"].upper()


def main() -> None:
    panels = lines(HERE / "results.csv")
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(3.6 * len(panels), 3.0), layout="constrained")
        for ax, (title, found) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            for color, (policy, line) in zip(COLORS, found.items(), strict=False):
                depth, mean, spread = zip(*sorted(line), strict=True)
                ax.errorbar(depth, mean, spread, color=color, marker="o", markersize=4, capsize=2, label=NAMES[policy])
            ax.set_xscale("log", base=2)
            depths = sorted({layers for line in found.values() for layers, _, _ in line})
            ax.set_xticks(depths, [str(layers) for layers in depths])
            ax.set(title=title, xlabel="layers", ylabel="test score")
            ax.legend(frameon=False)
    save(figure, HERE / "accuracy.png")


if __name__ == "__main__":
    main()
