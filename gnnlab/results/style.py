"""The look of figures: colours that colour-blind readers tell apart, words beside what they name, ink that prints."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from gnnlab.errors import UsageError

INK, FAINT = "#1f2328", "#8a8f98"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A5195", "#6B8E23")
"""Okabe and Ito's (2008) without black and yellow, and two more."""
DASHES = ("-", "--", "-.", ":")
LOOK: dict[Any, Any] = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "gnnlab",
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
    **{f"axes.{part}color": INK for part in ("edge", "label", "title")},
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.dpi": 200,
}


@contextmanager
def panels(heights: dict[str, float], width: float = 4.4) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with one panel under another, by title, of the given height in inches, in the look of this file."""
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(width, sum(heights.values())), layout="constrained")
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(len(heights), squeeze=False, height_ratios=list(heights.values())).flat)
        for ax, title in zip(axes, heights, strict=True):
            ax.set_title(title)
        yield figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write an SVG, PNG or PDF; the same figure gives the same bytes. Raises `UsageError` for another ending."""
    if path.suffix not in (".svg", ".png", ".pdf"):
        raise UsageError(f"Figures end in .svg, .png or .pdf, not {path.name!r}.")
    dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(LOOK):
        background = "white" if path.suffix == ".png" else "none"
        figure.savefig(path, bbox_inches="tight", metadata=dated.get(path.suffix), facecolor=background)


def inline(figure: Figure, label: str) -> str:
    """The figure as an SVG element in the ink of the text around it; `--series-0`, … may set other colours."""
    text = io.StringIO()
    with matplotlib.rc_context(LOOK):
        figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    svg = re.sub(r"<metadata>.*?</metadata>", "", text.getvalue(), flags=re.DOTALL)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"|(<svg )', r"\1\2", svg[svg.index("<svg") :], count=1)
    width = re.search(r'viewBox="0 0 ([\d.]+)', svg)
    said = escape(label)
    attributes = f'role="img" aria-label="{said}" style="width:{float(width[1]) * 4 / 3:.0f}px" ' if width else ""
    for i, color in enumerate(COLORS):
        svg = svg.replace(color.lower(), f"var(--series-{i}, {color})")
    return svg.replace("<svg ", f"<svg {attributes}", 1).replace(INK, "currentColor")


def plain_log(ax: Axes, which: Literal["x", "y"]) -> None:
    """A logarithmic axis with ticks at 1, 2, 5, 10, … written as such."""
    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
