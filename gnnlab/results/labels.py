"""Names right beside what they name in a figure, where a legend would send the eye back and forth."""

from collections.abc import Sequence
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


def beside_points(ax: Axes, points: Sequence[tuple[float, float, str, str]], lift: float) -> None:
    """Names beside points, (x, y, name, colour) each, `lift` points higher and moved apart where they would meet."""
    figure = ax.get_figure()
    assert figure is not None
    pixel, edge = 72 / figure.dpi, ax.get_window_extent().x1 * 72 / figure.dpi
    spots = []
    for x, y, name, color in points:
        px, py = ax.transData.transform((x, y)) * pixel
        width = 4.7 * len(name)
        left = px - 9 - width if px + 9 + width > edge else px + 9
        spots.append((left, left + width, px, py, name, color, (x, y)))
    for column in _columns(sorted(spots)):
        column.sort(key=lambda spot: spot[3])
        heights = apart([spot[3] + lift for spot in column], step=11)
        aligned = max(spot[2] for spot in column) - min(spot[2] for spot in column) < 30
        start, end = max(spot[0] for spot in column), min(spot[1] for spot in column)
        for (left, right, x, y, name, color, at), height in zip(column, heights, strict=True):
            to_left = right < x
            beside = (end if aligned else right) if to_left else (start if aligned else left)
            line = {"arrowstyle": "-", "color": FAINT, "lw": 0.6, "relpos": (float(to_left), 0.5), "shrinkB": 3}
            ax.annotate(
                name,
                at,
                (beside - x, height - y),
                textcoords="offset points",
                ha="right" if to_left else "left",
                va="center_baseline",
                fontsize=8.5,
                color=color,
                arrowprops=line if abs(height - y - lift) > 4 else None,
            )


def _columns(spots: Sequence[tuple]) -> list[list[tuple]]:
    """Spots (left, right, …) in ascending order, those together whose widths overlap."""
    columns: list[list[tuple]] = []
    for spot in spots:
        if columns and spot[0] < max(other[1] for other in columns[-1]):
            columns[-1].append(spot)
        else:
            columns.append([spot])
    return columns
