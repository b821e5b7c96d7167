"""Our runs beside PyG's: a table of all values, whether the means agree, and a figure of the curves.

    python experiments/gps_zinc_vs_pyg/compare.py runs/zinc-gps-…

Reads `pyg.csv` (written by twin.py) and writes `results.csv` and `curves.png` beside it.
"""

import argparse
import csv
import json
import math
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def ours(folder: Path) -> list[dict[str, Any]]:
    """One row per finished seed."""
    found = []
    for path in sorted(folder.glob("seed*/result.json")):
        result = json.loads(path.read_text())
        values = {"val_mae": result["best"]["val/mae"], "test_mae": result["test"]["mae"]}
        found.append({"code": "gnnlab", "seed": result["seed"], "epochs": result["epochs"], **values})
    return found


def plot(folder: Path, peers: list[dict[str, Any]]) -> None:
    """Validation MAE of our seeds over the epochs; the best value of each of PyG's seeds as a level."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for path in sorted(folder.glob("seed*/metrics.csv")):
        rows = rows_of(path)
        axes.plot([int(row["epoch"]) for row in rows], [float(row["val/mae"]) for row in rows], label=path.parent.name)
    for row in peers:
        axes.axhline(float(row["val_mae"]), linestyle=":", linewidth=1, color="gray")
    axes.set(xlabel="epoch", ylabel="validation MAE", yscale="log", title="gnnlab's seeds; dotted: best of PyG's seeds")
    axes.legend()
    figure.savefig(HERE / "curves.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    peers = [{"code": "pyg", **row} for row in rows_of(HERE / "pyg.csv")]
    columns = ("code", "seed", "epochs", "val_mae", "test_mae")
    rows = [{key: row[key] for key in columns} for row in ours(folder) + peers]
    with (HERE / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(f"{row['code']:7} seed {row['seed']}  val {float(row['val_mae']):.4f}  test {float(row['test_mae']):.4f}")
    values = {code: [float(row["val_mae"]) for row in rows if row["code"] == code] for code in ("gnnlab", "pyg")}
    pooled = math.sqrt(mean(stdev(v) ** 2 for v in values.values()))
    difference = mean(values["gnnlab"]) - mean(values["pyg"])
    for code, v in values.items():
        print(f"{code:7} val {mean(v):.4f} ± {stdev(v):.4f} ({len(v)})")
    verdict = "within" if difference <= pooled else "not within"
    print(f"difference {difference:+.4f}, pooled std {pooled:.4f}: {verdict} one pooled std, or better")
    plot(folder, peers)


if __name__ == "__main__":
    main()
