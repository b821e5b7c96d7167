"""Names right beside what they name in a figure, where a legend would send the eye back and forth."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gnnlab.results.style import FAINT


def settle(figure: Figure) -> None:
    """Lay the panels out for good: what is written beside them later moves nothing."""
    figure.canvas.draw()
    figure.set_layout_engine("none")


def beside_ends(ax: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names right of where lines end, (height, name, colour) each, moved apart where they would meet."""
    to_axes = ax.transData + ax.transAxes.inverted()
    wanted = sorted((float(to_axes.transform((1, y))[1]), name, color) for y, name, color in ends)
    step = 12 / (ax.get_window_extent().height * 72 / ax.get_figure().dpi)  # type: ignore[union-attr]
    for (end, name, color), height in zip(wanted, apart([end for end, _, _ in wanted], step), strict=True):
        ax.plot((1.01, 1.035), (end, height), color=color, lw=0.7, transform=ax.transAxes, clip_on=False)
        ax.text(1.045, height, name, color=color, va="center_baseline", fontsize=8.5, transform=ax.transAxes)


def apart(wanted: Sequence[float], step: float) -> list[float]:
    """The ascending heights nearest to those wanted (least squares) that keep `step` between them."""
    blocks: list[list[float]] = []  # of heights less what the steps below ask for: these must not descend
    for i, height in enumerate(wanted):
        blocks.append([height - i * step])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return [fmean(block) + i * step for i, block in enumerate(block for block in blocks for _ in block)]


def beside_points(
    ax: Axes, points: Sequence[tuple[float, float, float, str, str]], path: Sequence[tuple[float, float]] = ()
) -> None:
    """Names beside points, (x, y, half its error bar, name, colour) each, where they cover least of anything else.

    `path`: the corners of a line that runs along the axes.
    """
    figure = ax.get_figure()
    assert figure is not None
    pixel, frame = 72 / figure.dpi, ax.get_window_extent()
    inside = frame.x0 * pixel, frame.y0 * pixel, frame.x1 * pixel, frame.y1 * pixel
    places = [ax.transData.transform([(x, y - bar), (x, y), (x, y + bar)]) * pixel for x, y, bar, _, _ in points]
    taken = [(x - 5, y - 5, x + 5, y + 5) for _, (x, y), _ in places]
    taken += [(x - 3, low, x + 3, high) for (x, low), _, (_, high) in places]
    corners = [ax.transData.transform(corner) * pixel for corner in path]
    taken += [(min(a, c) - 3, min(b, d) - 3, max(a, c) + 3, max(b, d) + 3) for (a, b), (c, d) in pairwise(corners)]
    for (x, y, _, name, color), (_, (px, py), _) in zip(points, places, strict=True):
        width = 5.2 * len(name)

        def box(spot: tuple[float, float], px: float = px, py: float = py, width: float = width) -> Box:
            return px + spot[0], py + spot[1] - 6, px + spot[0] + width, py + spot[1] + 6

        def cost(spot: tuple[float, float], box: Callable = box, px: float = px, width: float = width) -> float:
            covered = sum(_common(box(spot), other) for other in taken)
            beyond = 12 * width - _common(box(spot), inside)
            return covered + 3 * beyond + abs(spot[1]) + 4 * (spot[0] < 0)

        spots = [(dx, 11.0 * step) for step in range(-4, 5) for dx in (9.0, -9 - width)]
        dx, dy = min([*spots, (-width / 2, 12.0), (-width / 2, -12.0)], key=cost)
        taken.append(box((dx, dy)))
        line = {"arrowstyle": "-", "color": FAINT, "lw": 0.6, "relpos": (float(dx < 0), 0.5), "shrinkB": 3}
        side = "left" if dx > 0 else "right" if dx < -width else "center"
        ax.annotate(
            name,
            (x, y),
            ({"left": dx, "right": dx + width, "center": 0.0}[side], dy),
            ha=side,
            textcoords="offset points",
            va="center_baseline",
            fontsize=8.5,
            color=color,
            arrowprops=line if side != "center" and abs(dy) > 6 else None,
        )


Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def _common(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
