"""What each plot shows, from the rows of `evaluate` and `heads list`. Pure: no drawing here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from imgscore.report import Row

Shape = Literal["line", "dashed", "dots", "hollow", "bars"]
Tone = Literal["main", "keep", "trash", "faint"]

BINS = 10


class Mark(NamedTuple):
    """One point or bar. `low` and `high`: the ends of its error bar. `size`: 0 to 1, its weight."""

    x: float
    y: float
    says: str = ""
    low: float | None = None
    high: float | None = None
    size: float = 0.3


class Series(NamedTuple):
    """Marks of one kind; lines join theirs. Bars of several series stand beside each other."""

    name: str
    shape: Shape
    tone: Tone
    marks: list[Mark]


class Axis(NamedTuple):
    """An axis with its ticks, (value, text)."""

    name: str
    low: float
    high: float
    ticks: list[tuple[float, str]]
    log: bool = False

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        if self.log:
            low, high, value = math.log(self.low), math.log(self.high), math.log(value)
            return (value - low) / (high - low)
        return (value - self.low) / (self.high - self.low)


class Figure(NamedTuple):
    """A plot. `says` is what a reader who cannot see it should know."""

    name: str
    title: str
    says: str
    x: Axis
    y: Axis
    series: list[Series]


def figures(evaluation: Row, heads: Sequence[Row] = ()) -> list[Figure]:
    """The plots of a taste: a row of `evaluate`, and the rows of `heads list`, oldest first.

    There is no learning curve where none was measured.
    """
    found = [learning_curve(evaluation)] if evaluation["curve"] else []
    found += [histogram(evaluation), reliability(evaluation)]
    measured = [head for head in heads if "quality" in head["report"]]
    return [*found, history(measured)] if measured else found


def learning_curve(evaluation: Row) -> Figure:
    """Held-out AUC by number of labels, and what twice as many would bring."""
    curve = evaluation["curve"]
    marks = [
        Mark(
            one["labels"],
            one["auc"],
            f"{one['labels']} labels: {one['auc']:.3f} ± {one['deviation']:.3f}",
            max(0.0, one["auc"] - one["deviation"]),
            min(1.0, one["auc"] + one["deviation"]),
        )
        for one in curve
    ]
    last = marks[-1]
    series = [Series("measured", "line", "main", marks)]
    says = f"With {last.x} labels the held-out AUC is {last.y:.3f}"
    if evaluation["doubled"] is not None:
        end = Mark(
            2 * last.x,
            evaluation["doubled"],
            f"{2 * last.x} labels: about {evaluation['doubled']:.3f}, an estimate",
        )
        series.append(Series("estimate", "dashed", "main", [last._replace(size=0), end]))
        says += f"; twice as many would bring about {end.y:.3f}"
    if evaluation.get("left_out"):
        says += "; there was no time to try with fewer labels"
    counts = sorted({int(mark.x) for one in series for mark in one.marks})
    x = Axis("labels", counts[0] / 1.2, counts[-1] * 1.2, _counts(counts), log=True)
    lows = [mark.y if mark.low is None else mark.low for one in series for mark in one.marks]
    return Figure("learning-curve", "Learning curve", says + ".", x, _auc(lows), series)


def histogram(evaluation: Row) -> Figure:
    """Held-out scores of the keeps and of the trashes."""
    bins = {min(int(one["score"] * BINS), BINS - 1): one for one in _bins(evaluation)}
    series = []
    for name, tone in (("keep", "keep"), ("trash", "trash")):
        marks = []
        for number, one in sorted(bins.items()):
            keeps = round(one["keep"] * one["count"])
            count = keeps if name == "keep" else one["count"] - keeps
            span = f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
            marks.append(Mark((number + 0.5) / BINS, count, f"{span}: {count} {name}"))
        series.append(Series(name, "bars", "keep" if tone == "keep" else "trash", marks))
    most = max((mark.y for one in series for mark in one.marks), default=1)
    says = "How many labelled images got which score from heads that had not seen their label."
    y = Axis("labels", 0, most * 1.08 or 1, _round_ticks(most))
    return Figure("histogram", "Scores by label", says, _share("score"), y, series)


def reliability(evaluation: Row) -> Figure:
    """Whether a score means what it says: of those scored p, the share p was kept."""
    bins = _bins(evaluation)
    most = max((one["count"] for one in bins), default=1)
    marks = [
        Mark(
            one["score"],
            one["keep"],
            f"scored {one['score']:.2f}: {one['keep']:.0%} of {one['count']} kept",
            size=math.sqrt(one["count"] / most),
        )
        for one in bins
    ]
    ideal = Series("ideal", "line", "faint", [Mark(0, 0, size=0), Mark(1, 1, size=0)])
    series = [ideal, Series("labels", "dots", "main", marks)]
    says = (
        "Of the images with a score, the share that was kept; on the diagonal, scores are honest."
    )
    return Figure(
        "reliability", "Reliability", says, _share("score"), _share("share that was kept"), series
    )


def history(heads: Sequence[Row]) -> Figure:
    """Held-out AUC of each head as it was trained."""

    def marks(chosen: Iterable[tuple[int, Row]]) -> list[Mark]:
        found = []
        for number, head in chosen:
            auc = head["report"]["quality"]["auc"]
            state = "in use" if head["in_use"] else ("accepted" if head["accepted"] else "refused")
            says = f"head {head['head']}: AUC {auc['value']:.3f}, {head['labels']} labels, {state}"
            found.append(
                Mark(
                    number, auc["value"], says, auc["low"], auc["high"], 0.6 * head["in_use"] + 0.3
                )
            )
        return found

    numbered = list(enumerate(heads, start=1))
    series = [
        Series("accepted", "line", "main", marks(one for one in numbered if one[1]["accepted"])),
        Series("refused", "hollow", "trash", marks(o for o in numbered if not o[1]["accepted"])),
    ]
    series = [one for one in series if one.marks]
    step = max(1, -(-len(heads) // 8))
    ticks = [(float(number), str(head["head"])) for number, head in numbered[::step]]
    lows = [mark.low or 0.0 for one in series for mark in one.marks]
    says = f"{len(heads)} heads, oldest first: how well each ranked labels that it had not seen."
    x = Axis("head", 0.5, len(heads) + 0.5, ticks)
    return Figure("heads", "History of heads", says, x, _auc(lows), series)


def _bins(evaluation: Row) -> list[Row]:
    bins: list[Row] = evaluation["quality"]["reliability"]
    return bins


def _share(name: str) -> Axis:
    return Axis(name, 0, 1, [(tick / 5, f"{tick / 5:g}") for tick in range(6)])


def _auc(lows: Sequence[float]) -> Axis:
    """From a round value beneath everything that is shown, up to 1."""
    low = max(0.0, math.floor(min(lows) * 10 - 0.2) / 10)
    step = 0.1 if low < 0.75 else 0.05
    count = round((1 - low) / step)
    ticks = [low + number * step for number in range(count + 1)]
    return Axis("held-out AUC", low, 1.0 + (1 - low) * 0.03, [(t, f"{t:.2f}") for t in ticks])


def _counts(counts: Sequence[int]) -> list[tuple[float, str]]:
    """Ticks on a log axis: the counts themselves, but none too near to the one after it."""
    kept = [counts[-1]]
    for count in reversed(counts[:-1]):
        if kept[-1] / count >= 1.6:
            kept.append(count)
    return [(float(one), f"{one:,}") for one in reversed(kept)]


def _round_ticks(most: float) -> list[tuple[float, str]]:
    step = 10 ** math.floor(math.log10(max(most, 1)))
    step = next(step * part for part in (0.2, 0.5, 1, 2) if most / (step * part) <= 5)
    step = max(1, round(step))
    return [(float(tick), f"{tick:,}") for tick in range(0, int(most) + 1, int(step))]
