"""Test accuracy over the levels of sparsity, method beside method: a table, a figure, and where the claims hold.

    python experiments/teddy/compare.py runs/teddy

Claims (Seo et al. 2024): TEDDY is not below UGS at any level, and not below the dense run at the mild ones. Reads the
runs of study.py; writes `results.csv` and `accuracy.png` beside this file.
"""

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean, stdev

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from gnnlab.results.runs import Run, load

HERE = Path(__file__).parent
METHODS = ("dense", "random", "ugs", "wdglt", "teddy")
Setting = tuple[str, str]
Scores = dict[tuple[str, float], dict[int, float]]


def scores(runs: list[Run]) -> dict[Setting, Scores]:
    """Test accuracies by (data set, model), there by (method, share of edges that stay), and there by seed."""
    found: dict[Setting, Scores] = defaultdict(lambda: defaultdict(dict))
    used = {each: distills(runs, each) for each in {setting(run) for run in runs}}
    for run in runs:
        sparsifier = run.config["sparsifier"] or {}
        if sparsifier.get("distill") in (None, used[setting(run)]):
            method = sparsifier["_target_"].rpartition(".")[2].lower() if sparsifier else "dense"
            key = method, float(sparsifier.get("keep", 1.0))
            found[setting(run)][key][run.config["seed"]] = 100 * run.result["test"]["accuracy"]
    return found


def setting(run: Run) -> Setting:
    """Data set and conv."""
    return run.result["dataset"], run.config["model"]["conv"]["_target_"].rpartition(".")[2].lower()


def distills(runs: list[Run], of: Setting) -> float | None:
    """The λ that study.py chose for a setting: that of most of its runs, the others were tried at one level."""
    counts = Counter((run.config["sparsifier"] or {}).get("distill") for run in runs if setting(run) == of)
    del counts[None]
    return counts.most_common(1)[0][0] if counts else None


def text(found: dict[int, float]) -> str:
    if not found:
        return ""
    values = list(found.values())
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread} ({len(values)})"


def table(of: Setting, found: Scores, distill: float) -> list[str]:
    """Markdown: a row for each level."""
    methods = [name for name in METHODS if name != "dense" and any(name == method for method, _ in found)]
    keeps = sorted({keep for method, keep in found if method != "dense"}, reverse=True)
    lines = [f"{of[0]}, {of[1]}: dense {text(found['dense', 1.0])}; TEDDY with λ = {distill:g}", ""]
    lines += [f"| edges kept | {' | '.join(methods)} |", f"| --- |{' --- |' * len(methods)}"]
    lines += [f"| {keep:.3f} | {' | '.join(text(found[name, keep]) for name in methods)} |" for keep in keeps]
    return [*lines, "", *claims(found, keeps), ""]


def claims(found: Scores, keeps: list[float]) -> list[str]:
    """At which levels the mean of TEDDY is below another's, over the seeds that both have."""
    said = []
    for other in ("ugs", "random", "dense"):
        gaps = {}
        for keep in keeps:
            mine, theirs = found["teddy", keep], found[other, 1.0 if other == "dense" else keep]
            if seeds := mine.keys() & theirs.keys():
                gaps[keep] = mean(mine[seed] - theirs[seed] for seed in seeds)
        below = ", ".join(f"{keep:.3f} ({gap:+.1f})" for keep, gap in gaps.items() if gap < 0)
        if gaps:
            said.append(
                f"TEDDY against {other}, {len(gaps)} levels: {f'below at {below}' if below else 'never below'}."
            )
    return said


def draw(everything: dict[Setting, Scores], path: Path) -> None:
    """A panel for each setting: mean and standard deviation over the shares of edges."""
    columns = min(3, len(everything))
    rows = -(-len(everything) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 3.0 * rows), squeeze=False, layout="constrained"
    )
    for axes, (of, found) in zip(panels.flat, sorted(everything.items()), strict=False):
        if dense := found.get(("dense", 1.0)):
            axes.axhline(mean(dense.values()), color="black", linewidth=1, label="dense")
        for method in METHODS[1:]:
            points = sorted((keep, [*by.values()]) for (name, keep), by in found.items() if name == method and by)
            if points:
                spread = [stdev(values) if len(values) > 1 else 0.0 for _, values in points]
                means = [mean(values) for _, values in points]
                axes.errorbar([keep for keep, _ in points], means, spread, label=method, capsize=2, linewidth=1)
        axes.set(title=", ".join(of), xlabel="edges kept", ylabel="test accuracy / %", xlim=(1, 0.3))
    for axes in panels.flat[len(everything) :]:
        axes.axis("off")
    drawn = [axes.get_legend_handles_labels() for axes in panels.flat]
    named = {label: handle for handles, labels in drawn for handle, label in zip(handles, labels, strict=True)}
    panels[0][0].legend(named.values(), named.keys(), frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    runs = [run for run in load(parser.parse_args().folder) if run.complete]
    everything = scores(runs)
    with (HERE / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["dataset", "conv", "method", "edges_kept", "seed", "test_accuracy"])
        for of, found in sorted(everything.items()):
            for (method, keep), by in sorted(found.items()):
                writer.writerows([*of, method, keep, seed, f"{value:.2f}"] for seed, value in sorted(by.items()))
    for of, found in sorted(everything.items()):
        print("\n".join(table(of, found, distills(runs, of) or 0.0)))
    draw(everything, HERE / "accuracy.png")


if __name__ == "__main__":
    main()
