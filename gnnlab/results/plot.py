"""Figures over runs: learning curves, bars of an ablation, and what accuracy costs; a panel per dataset."""

from collections.abc import Sequence
from statistics import mean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from gnnlab.errors import UsageError
from gnnlab.results.figure_labels import beside_ends, beside_points, settle
from gnnlab.results.published import beside, cells
from gnnlab.results.runs import Run, is_error, numbers
from gnnlab.results.series import mean_curve, merit, more_is_better, sets
from gnnlab.results.style import COLORS, DASHES, FAINT, INK, panels, plain_log
from gnnlab.results.wording import SHORT

MOST = 8
"""Curves in a panel."""
LETTER = 0.065
"""Inches of a letter beside a bar."""


def curves(runs: Sequence[Run], by: Sequence[str] = (), metric: str = "val") -> Figure:
    """`metric` over the epochs: mean of each group, ± sample standard deviation as a band. `val`: that of the data."""
    found, marked = sets(runs, by, ()), []
    drawn = {}
    for dataset, groups in found.items():
        name = next(iter(groups.values()))[0].title(metric)
        lines = {label: mean_curve(groups[label], name) for label in sorted(groups, key=lambda at: merit(groups[at]))}
        if lines := {label: line for label, line in lines.items() if len(line.epochs)}:
            drawn[dataset] = name, lines
    if not drawn:
        raise UsageError(f"No metrics.csv of these runs has {metric!r}: are they logged with logger=[csv]?")
    with panels(dict.fromkeys(drawn, 2.7)) as (figure, axes):
        for ax, (name, lines) in zip(axes, drawn.values(), strict=True):
            ends, last = [], 1.0
            for i, (label, (epochs, center, spread, count)) in enumerate(list(lines.items())[:MOST]):
                color = COLORS[i % len(COLORS)]
                ax.plot(epochs, center, DASHES[i % len(DASHES)], color=color)
                ax.fill_between(epochs, center - spread, center + spread, color=color, alpha=0.18, lw=0)
                last = max(last, epochs[-1])
                ends.append((center[-1], f"{label}  ({count})", color))
            _scale(ax, name)
            ax.set(xlabel="epoch", ylabel=name, xlim=(0, last))
            if len(lines) > MOST:
                small = {"fontsize": 8, "color": FAINT, "fontweight": "normal"}
                ax.set_title(f"the {MOST} best of {len(lines)}", loc="right", **small)
            marked.append(ends)
        settle(figure)
        for ax, ends in zip(axes, marked, strict=True):
            beside_ends(ax, ends)
    return figure


def bars(runs: Sequence[Run], by: Sequence[str] = (), metric: str = "test") -> Figure:
    """`metric` of each group, best first: mean ± sample standard deviation, a dot a run, a diamond what is published.

    Bars start at zero; where that would hide the differences, there are means without bars.
    """
    found, known = sets(runs, by, (metric,)), cells()
    longest = max(len(label) for groups in found.values() for label in groups)
    heights = {name: 0.8 + 0.25 * len(groups) for name, groups in found.items()}
    with panels(heights, width=max(4.4, 3.4 + LETTER * longest)) as (figure, axes):
        for ax, groups in zip(axes, found.values(), strict=True):
            ordered = sorted(groups.items(), key=lambda item: merit(item[1], metric))
            means = [mean(numbers(group, metric)) for _, group in ordered]
            diamonds: set[str] = set()
            from_zero = min(means) >= 0 and max(means) - min(means) > 0.3 * max(means)
            for i, (center, (_, group)) in enumerate(zip(means, ordered, strict=True)):
                values = numbers(group, metric)
                if from_zero:
                    ax.barh(i, center, height=0.62, color=COLORS[0], alpha=0.3)
                spread = stdev(values) if len(values) > 1 else None
                ax.errorbar(center, i, xerr=spread, fmt="|", color=COLORS[0], ms=11, mew=2, capsize=2.5, elinewidth=1.2)
                ax.plot(values, [i] * len(values), "o", ms=3, color=COLORS[0], alpha=0.6, mew=0)
                if match := beside(group, metric, known):
                    fill = COLORS[1] if match.exact else "none"
                    ax.plot(float(match.cell.mean), i, "D", ms=5, mfc=fill, mec=COLORS[1], mew=1.3)
                    diamonds.add("◆ published" if match.exact else "◇ published, of another setting")
                right = {"xycoords": ("axes fraction", "data"), "va": "center_baseline", "fontsize": 8.5}
                ax.annotate(f"{center:.4f}", (1.02, i), **right)
            ax.set(
                yticks=range(len(ordered)),
                yticklabels=[f"{label}  ({len(g)})" for label, g in ordered],
            )
            ax.set_xlabel(ordered[0][1][0].title(metric), loc="left")
            ax.set_ylim(len(ordered) - 0.4, -0.6)
            if from_zero:
                ax.set_xlim(left=0)
            ax.grid(False, axis="y")
            ax.tick_params(axis="y", length=0)
            below = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 8.5, "ha": "right"}
            ax.annotate("   ".join(sorted(diamonds)), (1, 0), (0, -38), color=COLORS[1], **below)
    return figure


def pareto(runs: Sequence[Run], by: Sequence[str] = (), metric: str = "test", cost: str = "parameters") -> Figure:
    """`metric` against what it costs, a point a group; the line joins those that none beats in both."""
    found, marked = sets(runs, by, (metric, cost)), []
    with panels(dict.fromkeys(found, 3.3)) as (figure, axes):
        for ax, groups in zip(axes, found.values(), strict=True):
            first = next(iter(groups.values()))[0]
            maximize = more_is_better(first, metric)
            points = {
                label: (mean(x), mean(y), stdev(y) if len(y) > 1 else 0.0)
                for label, group in groups.items()
                if (x := numbers(group, cost)) and (y := numbers(group, metric))
            }
            best = front([point[:2] for point in points.values()], maximize)
            along = sorted(point[:2] for i, point in enumerate(points.values()) if i in best)
            steps = [(x, y) for (x, _), (_, y) in zip(along[1:], along, strict=False)]
            path = sorted([*along, *steps], key=lambda at: (at[0], at[1] if maximize else -at[1]))
            ax.plot(*zip(*path, strict=True), "-", color=COLORS[0], lw=1, alpha=0.6)
            for i, (x, y, spread) in enumerate(points.values()):
                color = COLORS[0] if i in best else FAINT
                ax.errorbar(
                    x, y, yerr=spread, fmt="o", ms=6 if i in best else 5, color=color, capsize=2.5, elinewidth=1
                )
            costs = [x for x, _, _ in points.values()]
            if min(costs) > 0 and max(costs) > 8 * min(costs):
                plain_log(ax, "x")
            if max(costs) >= 10_000:
                ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.set(xlabel=SHORT.get(cost, cost), ylabel=f"{first.title(metric)} {'↑' if maximize else '↓'}")
            ax.margins(0.2, 0.12)
            named = [
                (x, y, spread, label, INK if i in best else FAINT)
                for i, (label, (x, y, spread)) in enumerate(points.items())
                if i in best or len(points) <= 2 * MOST
            ]
            marked.append((named, path))
        settle(figure)
        for ax, (named, path) in zip(axes, marked, strict=True):
            beside_points(ax, named, path)
    return figure


FIGURES = {"curves": curves, "bars": bars, "pareto": pareto}


def front(points: Sequence[tuple[float, float]], maximize: bool) -> set[int]:
    """The points (cost, merit) that no other one beats in one and equals in the other."""
    signed = [(x, -y if maximize else y) for x, y in points]
    return {i for i, (x, y) in enumerate(signed) if not any(u <= x and v <= y and (u, v) != (x, y) for u, v in signed)}


def _scale(ax: Axes, name: str) -> None:
    """Logarithmic for errors that fall by far."""
    low, high = min(line.get_ydata().min() for line in ax.lines), max(line.get_ydata().max() for line in ax.lines)  # type: ignore[union-attr]
    if low > 0 and high > 8 * low and is_error(name):
        plain_log(ax, "y")
