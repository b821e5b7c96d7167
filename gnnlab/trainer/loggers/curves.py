"""The learning curves of one run: a panel a measure (loss, mae, …), with a line for training and for validation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gnnlab.trainer.protocols import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curves(rows: Sequence[Row]) -> "Figure":
    """The figure of a history, in the look of all figures."""
    from gnnlab.results.figure_labels import beside_ends, settle
    from gnnlab.results.style import COLORS, panels

    found = measures(rows)
    with panels(dict.fromkeys(found, 2.3)) as (figure, axes):
        for ax, lines in zip(axes, found.values(), strict=True):
            for points, color in zip(lines.values(), COLORS, strict=False):
                ax.plot(*zip(*points, strict=True), color=color, marker=".", markevery=[-1])
            ax.set(xlabel="epoch")
        settle(figure)
        for ax, lines in zip(axes, found.values(), strict=True):
            ends = zip(lines.items(), COLORS, strict=False)
            beside_ends(ax, [(points[-1][1], part, color) for (part, points), color in ends])
    return figure


def measures(rows: Sequence[Row]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """{"loss": {"train": [(epoch, value), …], "val": …}, "mae": …}."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in rows:
        for key, value in row.items():
            part, _, measure = key.partition("/")
            if part in ("train", "val") and isinstance(value, int | float):
                found.setdefault(measure, {}).setdefault(part, []).append((row["epoch"], value))
    return found
