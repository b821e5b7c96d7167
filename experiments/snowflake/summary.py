"""`runs.csv` as a table, printed, and a figure, `accuracy.png`: test scores over the depth, plain and with snowflake.

Of the β tried the one with the best mean validation score counts, for each data set, backbone and depth.

python experiments/snowflake/summary.py
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gnnlab.results.style import COLORS, LOOK, save

HERE = Path(__file__).parent
NAMES = {"none": "plain", "snowflake": "snowflake"}
BACKBONES = {"gcn": "GCN", "gat": "GAT", "jknet": "JKNet", "gcnii": "GCNII"}
PLACE = ["dataset", "backbone", "depth"]


def chosen(runs: pd.DataFrame) -> pd.DataFrame:
    """By data set, backbone, depth and policy, of its best β: mean and sample deviation in %, runs, β."""
    groups = runs.fillna({"beta": 0.0}).groupby([*PLACE, "aggregation", "beta"])
    means = groups.agg(val=("val", "mean"), mean=("test", "mean"), std=("test", "std"), n=("test", "size"))
    best = means.sort_values("val").groupby(level=[*PLACE, "aggregation"]).tail(1).reset_index("beta").sort_index()
    return best.assign(mean=100 * best["mean"], std=100 * best["std"])


def table(best: pd.DataFrame) -> str:
    """Markdown, a row for each data set and backbone."""
    depths = sorted(best.index.unique("depth"))
    heads = [f"{depth} layers: {NAMES[policy]}" for depth in depths for policy in NAMES]
    lines = [f"| | | {' | '.join(heads)} |", "| --- " * (len(heads) + 2) + "|"]
    for dataset, backbone in best.index.droplevel(["depth", "aggregation"]).unique():
        places = [(dataset, backbone, depth, policy) for depth in depths for policy in NAMES]
        cells = [cell(best.loc[place]) if place in best.index else "" for place in places]
        lines.append(f"| {dataset} | {BACKBONES[backbone]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(found: pd.Series) -> str:
    beta = f", β = {found['beta']:g}" if found["beta"] else ""
    return f"{found['mean']:.1f} ± {found['std']:.1f} ({found['n']:.0f}{beta})"


def draw(best: pd.DataFrame) -> Figure:
    """A row of panels for each data set, a column for each backbone."""
    datasets, backbones = best.index.unique("dataset"), [name for name in BACKBONES if name in best.index.unique(1)]
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(3.2 * len(backbones), 2.6 * len(datasets)), layout="constrained")
        grid = figure.subplots(len(datasets), len(backbones), squeeze=False, sharey="row")
        for (row, column), ax in np.ndenumerate(grid):
            here = best.loc[best.index.isin([datasets[row]], 0) & best.index.isin([backbones[column]], 1)]
            for color, policy in zip(COLORS, NAMES, strict=False):
                line = here.loc[here.index.isin([policy], 3)].reset_index("depth")
                place = {"color": color, "marker": "o", "capsize": 2, "label": NAMES[policy]}
                ax.errorbar(line["depth"], line["mean"], line["std"], **place)
            ax.set_xscale("log", base=2)
            depths = sorted(here.index.unique("depth"))
            ax.set_xticks(depths, [str(depth) for depth in depths])
            ax.set(title=f"{datasets[row]}, {BACKBONES[backbones[column]]}", xlabel="layers")
            ax.set_visible(not here.empty)
        grid[0, 0].legend(frameon=False)
        figure.supylabel("test score, %")
    return figure


if __name__ == "__main__":
    best = chosen(pd.read_csv(HERE / "runs.csv"))
    print(table(best))
    save(draw(best), HERE / "accuracy.png")
