"""`runs.csv` as a table, printed, and a figure, `accuracy.png`: test scores over the depth, plain and with snowflake.

Of the β tried the one with the best mean validation score counts, for each data set, backbone and depth. In bold it is
above the plain network, with an arrow below it, by more than chance would have it: a t-test over the splits, p < 0.05.

python experiments/snowflake/summary.py
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import ttest_1samp

from gnnlab.results.style import COLORS, LOOK, save

HERE = Path(__file__).parent
NAMES = {"none": "plain", "snowflake": "snowflake"}
BACKBONES = {"gcn": "GCN", "gat": "GAT", "jknet": "JKNet", "gcnii": "GCNII"}
PLACE = ["dataset", "backbone", "depth"]


def chosen(runs: pd.DataFrame) -> pd.DataFrame:
    """By data set, backbone, depth and policy, of its best β: mean and sample deviation in %, runs, β.

    A β that has fewer splits behind it than another is not compared with it; of equal ones the larger counts.
    """
    groups = runs.fillna({"beta": 0.0}).groupby([*PLACE, "aggregation", "beta"])
    means = groups.agg(val=("val", "mean"), mean=("test", "mean"), std=("test", "std"), n=("test", "size"))
    cells = [*PLACE, "aggregation"]
    means = means[means["n"] == means.groupby(level=cells)["n"].transform("max")]
    best = means.reset_index("beta").sort_values(["val", "beta"]).groupby(level=cells).tail(1).sort_index()
    return best.assign(mean=100 * best["mean"], std=100 * best["std"])


def by_chance(runs: pd.DataFrame, best: pd.DataFrame, place: tuple) -> bool:
    """Whether plain and snowflake differ by no more than chance would have it, over the splits that both have."""
    scores = runs.fillna({"beta": 0.0}).set_index([*PLACE, "aggregation", "beta", "split"])["test"].sort_index()
    plain, ours = (scores.loc[(*place, policy, best.loc[(*place, policy), "beta"])] for policy in NAMES)
    gaps = (ours - plain).dropna()
    return len(gaps) < 2 or not ttest_1samp(gaps, 0.0).pvalue < 0.05


def table(runs: pd.DataFrame, best: pd.DataFrame) -> str:
    """Markdown, a row for each data set and backbone."""
    depths = sorted(best.index.unique("depth"))
    heads = [f"{depth} layers: {NAMES[policy]}" for depth in depths for policy in NAMES]
    lines = [f"| | | {' | '.join(heads)} |", "| --- " * (len(heads) + 2) + "|"]
    for dataset, backbone in best.index.droplevel(["depth", "aggregation"]).unique():
        cells = [text for depth in depths for text in pair(runs, best, (dataset, backbone, depth))]
        lines.append(f"| {dataset} | {BACKBONES[backbone]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def pair(runs: pd.DataFrame, best: pd.DataFrame, place: tuple) -> list[str]:
    """The cells of the plain network and of the snowflake."""
    found = [best.loc[(*place, policy)] if (*place, policy) in best.index else None for policy in NAMES]
    texts = ["" if one is None else score(one["mean"], one["std"], one["n"]) for one in found]
    plain, ours = found
    if plain is not None and ours is not None:
        if not by_chance(runs, best, place):
            texts[1] = f"**{texts[1]}**" if ours["mean"] > plain["mean"] else f"{texts[1]} ↓"
        texts[1] += f" β = {ours['beta']:g}"
    return texts


def score(mean: float, std: float, n: float) -> str:
    """A mean in %; of a single run without a deviation."""
    return f"{mean:.1f} ± {std:.1f} ({n:.0f})" if n > 1 else f"{mean:.1f} (1)"


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
    runs = pd.read_csv(HERE / "runs.csv")
    best = chosen(runs)
    print(table(runs, best))
    save(draw(best), HERE / "accuracy.png")
