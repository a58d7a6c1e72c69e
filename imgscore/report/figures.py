"""Compute the content of each plot from the evaluation and the heads of a taste.

This module has no side effects. svg.py draws the plots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from imgscore.heads.results import Bin, Evaluation, Measure, Quality
from imgscore.report.data import TrainedHead

Shape = Literal["line", "dashed", "dots", "hollow", "bars"]
Tone = Literal["main", "keep", "trash", "faint"]

BINS = 10


class Mark(NamedTuple):
    """A point or bar of a plot.

    `text`: the tooltip. `low` and `high`: the ends of the error bar; None means no error bar.
    `size`: the relative size of the point, from 0 to 1; 0 means that no point is drawn.
    """

    x: float
    y: float
    text: str = ""
    low: float | None = None
    high: float | None = None
    size: float = 0.3


class Series(NamedTuple):
    """A set of marks of a plot. All these marks have one name, shape and tone.

    A line connects the marks of the shapes "line" and "dashed". If several series have bars, the
    bars for the same x value are drawn next to each other.
    """

    name: str
    shape: Shape
    tone: Tone
    marks: list[Mark]


class Axis(NamedTuple):
    """An axis with its ticks.

    Each tick is (value, text). `log`: whether the scale is logarithmic.
    """

    name: str
    low: float
    high: float
    ticks: list[tuple[float, str]]
    log: bool = False

    def place(self, value: float) -> float:
        """Return the position of a value on the axis: 0 at the low end, 1 at the high end."""
        if self.log:
            low, high, value = math.log(self.low), math.log(self.high), math.log(value)
            return (value - low) / (high - low)
        return (value - self.low) / (self.high - self.low)


class Figure(NamedTuple):
    """A plot.

    `text`: the content in words, for readers who cannot see the plot. `x` and `y`: the two axes.
    """

    name: str
    title: str
    text: str
    x: Axis
    y: Axis
    series: list[Series]


def figures(evaluation: Evaluation, heads: Sequence[TrainedHead] = ()) -> list[Figure]:
    """Return the plots of a taste.

    `heads`: the heads of the taste, oldest first. The plot of the learning curve is left out if no
    learning curve was measured. The plot of the heads is left out if no head was measured. If the
    head learned from comparisons and from too few labels, there is no plot of the labels.
    """
    plots, quality = [], evaluation.quality
    if quality is not None:
        plots = [learning_curve(evaluation, quality.measure)] if evaluation.curve else []
        plots += [histogram(quality), reliability(quality)]
    measured = [(head, head.report.quality) for head in heads if head.report.quality]
    return [*plots, history(measured)] if measured else plots


def learning_curve(evaluation: Evaluation, measure: Measure) -> Figure:
    """Plot the held-out AUC for growing numbers of labels, and an estimate for twice the present
    number. `measure`: the pairwise accuracy takes the place of the AUC if there are grades.
    """
    marks = [
        Mark(
            point.labels,
            point.auc,
            f"{point.labels} labels: {point.auc:.3f} ± {point.deviation:.3f}",
            max(0.0, point.auc - point.deviation),
            min(1.0, point.auc + point.deviation),
        )
        for point in evaluation.curve
    ]
    last = marks[-1]
    series = [Series("measured", "line", "main", marks)]
    text = f"With {last.x} labels the held-out {measure} is {last.y:.3f}"
    if evaluation.doubled is not None:
        end = Mark(
            2 * last.x,
            evaluation.doubled,
            f"{2 * last.x} labels: about {evaluation.doubled:.3f}, an estimate",
        )
        series.append(Series("estimate", "dashed", "main", [last._replace(size=0), end]))
        text += f"; with twice as many labels the {measure} would be about {end.y:.3f}"
    if evaluation.left_out:
        text += f"; the time limit ended before the {measure} was measured with fewer labels"
    counts = sorted({int(mark.x) for line in series for mark in line.marks})
    x = Axis("labels", counts[0] / 1.2, counts[-1] * 1.2, _counts(counts), log=True)
    lows = [mark.y if mark.low is None else mark.low for line in series for mark in line.marks]
    return Figure(
        "learning-curve", "Learning curve", text + ".", x, _held_out(measure, lows), series
    )


def histogram(quality: Quality) -> Figure:
    """Plot a histogram of the held-out scores: one series for keep, and one for trash.

    If labels are undecided, they are a third series.
    """
    by_number: dict[int, Bin] = {
        min(int(held.score * BINS), BINS - 1): held for held in quality.reliability
    }
    keeps: list[Mark] = []
    trashes: list[Mark] = []
    undecided: list[Mark] = []
    for number, held in sorted(by_number.items()):
        kept = round(held.keep * held.count) if held.keeps is None else held.keeps
        trashed = held.count - held.undecided - kept
        span = f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
        x = (number + 0.5) / BINS
        keeps.append(Mark(x, kept, f"{span}: {kept} keep"))
        trashes.append(Mark(x, trashed, f"{span}: {trashed} trash"))
        undecided.append(Mark(x, held.undecided, f"{span}: {held.undecided} undecided"))
    series = [Series("keep", "bars", "keep", keeps), Series("trash", "bars", "trash", trashes)]
    if quality.undecided:
        series.append(Series("undecided", "bars", "faint", undecided))
    highest = max((mark.y for line in series for mark in line.marks), default=1)
    text = (
        "The number of labelled images by score. Each score is from heads that were trained "
        "without this label."
    )
    y = Axis("labels", 0, highest * 1.08 or 1, _round_ticks(highest))
    return Figure("histogram", "Scores by label", text, _share("score"), y, series)


def reliability(quality: Quality) -> Figure:
    """Plot the share of kept images for each range of held-out scores.

    Scores are reliable if the share of kept images is equal to the score: of the images with score
    0.8, the user kept 80 %. With grades, the mean grade takes the place of the share.
    """
    graded = quality.measure != "AUC"
    bins = quality.reliability
    largest = max((held.count for held in bins), default=1)
    marks = [
        Mark(
            held.score,
            held.keep,
            f"scored {held.score:.2f}: "
            + (
                f"mean grade {held.keep:.2f} of {held.count}"
                if graded
                else f"{held.keep:.0%} of {held.count} kept"
            ),
            size=math.sqrt(held.count / largest),
        )
        for held in bins
    ]
    ideal = Series("ideal", "line", "faint", [Mark(0, 0, size=0), Mark(1, 1, size=0)])
    series = [ideal, Series("labels", "dots", "main", marks)]
    text = (
        "The mean grade of the labels, by score. On the diagonal, the grade equals the score."
        if graded
        else "The share of images that were kept, by score. On the diagonal, the share equals the "
        "score."
    )
    y = _share("mean grade" if graded else "share that was kept")
    return Figure("reliability", "Reliability", text, _share("score"), y, series)


def history(heads: Sequence[tuple[TrainedHead, Quality]]) -> Figure:
    """Plot the held-out AUC, or the pairwise accuracy, that was measured for each head at its
    training.
    """
    accepted: list[Mark] = []
    refused: list[Mark] = []
    for number, (head, quality) in enumerate(heads, start=1):
        figure = quality.compared
        if figure is None:
            continue
        state = "in use" if head.in_use else ("accepted" if head.accepted else "refused")
        text = (
            f"head {head.head}: {quality.measure} {figure.value:.3f}, {head.labels} labels, {state}"
        )
        mark = Mark(number, figure.value, text, figure.low, figure.high, 0.6 * head.in_use + 0.3)
        (accepted if head.accepted else refused).append(mark)
    series = [
        Series("accepted", "line", "main", accepted),
        Series("refused", "hollow", "trash", refused),
    ]
    series = [line for line in series if line.marks]
    step = max(1, -(-len(heads) // 8))
    ticks = [
        (float(number), head.head) for number, (head, _) in list(enumerate(heads, start=1))[::step]
    ]
    lows = [mark.low or 0.0 for line in series for mark in line.marks]
    text = (
        f"{len(heads)} heads, oldest first: how well each head ranked labels that were not used "
        "for its training."
    )
    x = Axis("head", 0.5, len(heads) + 0.5, ticks)
    measures = " or ".join(sorted({quality.measure for _, quality in heads}))
    return Figure("heads", "History of heads", text, x, _held_out(measures, lows), series)


def _share(name: str) -> Axis:
    return Axis(name, 0, 1, [(tick / 5, f"{tick / 5:g}") for tick in range(6)])


def _held_out(measure: str, lows: Sequence[float]) -> Axis:
    """Return an axis for values of a held-out measure, such as the AUC.

    `lows`: the lowest values that the plot must show. The axis starts at a round value below all of
    them, and ends just above 1.
    """
    low = max(0.0, math.floor(min(lows) * 10 - 0.2) / 10)
    step = 0.1 if low < 0.75 else 0.05
    count = round((1 - low) / step)
    ticks = [low + number * step for number in range(count + 1)]
    return Axis(
        f"held-out {measure}", low, 1.0 + (1 - low) * 0.03, [(t, f"{t:.2f}") for t in ticks]
    )


def _counts(counts: Sequence[int]) -> list[tuple[float, str]]:
    """Return the ticks of a logarithmic axis.

    Each count gets a tick, except those that are too close to the next larger tick.
    """
    kept = [counts[-1]]
    for count in reversed(counts[:-1]):
        if kept[-1] / count >= 1.6:
            kept.append(count)
    return [(float(count), f"{count:,}") for count in reversed(kept)]


def _round_ticks(highest: float) -> list[tuple[float, str]]:
    step = 10 ** math.floor(math.log10(max(highest, 1)))
    step = next(step * part for part in (0.2, 0.5, 1, 2) if highest / (step * part) <= 5)
    step = max(1, round(step))
    return [(float(tick), f"{tick:,}") for tick in range(0, int(highest) + 1, int(step))]
