"""Figures as a PNG, PDF … file, drawn with matplotlib (extra `imgscore[plot]`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgscore.errors import UsageError
from imgscore.plots.figures import Figure, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEEDS = "pip install 'imgscore[plot]', or name a file that ends in .svg"
COLOURS = {"main": "#2f6db5", "keep": "#1f8a55", "trash": "#c8442f", "faint": "#999999"}
COLUMNS = 2
BAR = 0.04


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Draw figures into one file. Raises UsageError without matplotlib, or for another format."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise UsageError("plots other than SVG need matplotlib", NEEDS) from None
    mpl.use("agg")
    from matplotlib.figure import Figure as Sheet

    rows = -(-len(figures) // COLUMNS)
    sheet = Sheet(figsize=(5.5 * COLUMNS, 4 * rows), layout="constrained")
    grid = sheet.subplots(rows, COLUMNS, squeeze=False).flat
    for figure, axes in zip(figures, grid, strict=False):
        _draw(axes, figure)
    for axes in list(grid)[len(figures) :]:
        axes.set_visible(False)
    try:
        sheet.savefig(path, dpi=120)
    except ValueError as error:
        raise UsageError(f"{path}: {error}", "name a file that ends in .svg or .png") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "choose another file") from None


def _draw(axes: Axes, figure: Figure) -> None:
    axes.set(xlabel=figure.x.name, ylabel=figure.y.name, title=figure.title)
    if figure.x.log:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set(xlim=(figure.x.low, figure.x.high), ylim=(figure.y.low, figure.y.high))
    axes.set_xticks(*map(list, zip(*figure.x.ticks, strict=True)))
    axes.set_yticks(*map(list, zip(*figure.y.ticks, strict=True)))
    bars = [one for one in figure.series if one.shape == "bars"]
    for series in figure.series:
        if series.shape == "bars":
            shift = (bars.index(series) - (len(bars) - 1) / 2) * BAR
            at = [mark.x + shift for mark in series.marks]
            heights = [mark.y for mark in series.marks]
            axes.bar(at, heights, BAR, color=COLOURS[series.tone], label=series.name)
        else:
            _points(axes, series)
    if len(figure.series) > 1:
        axes.legend(frameon=False)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _points(axes: Axes, series: Series) -> None:
    colour = COLOURS[series.tone]
    at, heights = [one.x for one in series.marks], [one.y for one in series.marks]
    if series.shape in ("line", "dashed"):
        axes.plot(at, heights, "--" if series.shape == "dashed" else "-", color=colour)
    sized = [one for one in series.marks if one.size]
    axes.scatter(
        [one.x for one in sized],
        [one.y for one in sized],
        s=[20 + 160 * one.size**2 for one in sized],
        color="none" if series.shape in ("hollow", "dashed") else colour,
        edgecolors=colour,
        alpha=0.8,
        label=series.name,
    )
    for one in sized:
        if one.low is not None and one.high is not None:
            axes.plot([one.x, one.x], [one.low, one.high], color=colour, alpha=0.5)
