"""The plots: what they show, and that SVG is well-formed and escaped."""

from typing import Any
from xml.etree import ElementTree

from imgscore.report import svg
from imgscore.report.figures import Axis, Figure, Mark, Series, figures

Row = dict[str, Any]
SVG = "{http://www.w3.org/2000/svg}"


def interval(value: float) -> Row:
    return {"value": value, "low": value - 0.1, "high": min(1.0, value + 0.1)}


def evaluation(doubled: float | None = 0.95) -> Row:
    bins = [
        {"score": 0.05, "keep": 0.0, "count": 30},
        {"score": 0.45, "keep": 0.5, "count": 4},
        {"score": 1.0, "keep": 0.9, "count": 10},
    ]
    return {
        "quality": {"auc": interval(0.9), "labels": 44, "keeps": 11, "reliability": bins},
        "curve": [
            {"labels": 10, "auc": 0.8, "deviation": 0.05},
            {"labels": 20, "auc": 0.85, "deviation": 0.04},
            {"labels": 44, "auc": 0.9, "deviation": 0.03},
        ],
        "doubled": doubled,
    }


def head(version: str, auc: float, *, accepted: bool = True, in_use: bool = False) -> Row:
    report = {"quality": {"auc": interval(auc)}}
    return {
        "head": version, "labels": 44, "accepted": accepted, "in_use": in_use, "report": report,
    }  # fmt: skip


HEADS = [head("1", 0.7), head("2", 0.6, accepted=False), head("3", 0.9, in_use=True)]


def test_figures_show_what_was_measured() -> None:
    curve, scores, honest, history = figures(evaluation(), HEADS)
    measured, estimate = curve.series
    assert [(mark.x, mark.y) for mark in measured.marks] == [(10, 0.8), (20, 0.85), (44, 0.9)]
    assert estimate.marks[-1][:2] == (88, 0.95)
    keep, trash = scores.series
    assert [mark.y for mark in keep.marks] == [0, 2, 9]
    assert [mark.y for mark in trash.marks] == [30, 2, 1]
    assert [mark.x for mark in keep.marks] == [0.05, 0.45, 0.95]  # a score of 1 is in the last bin
    assert [mark.y for mark in honest.series[1].marks] == [0.0, 0.5, 0.9]
    accepted, refused = history.series
    assert [mark.x for mark in accepted.marks] == [1, 3] and [m.x for m in refused.marks] == [2]
    assert accepted.marks[1].size > accepted.marks[0].size  # the one in use


def test_little_is_drawn_of_little() -> None:
    few = {**evaluation(None), "curve": [{"labels": 4, "auc": 0.5, "deviation": 0.2}]}
    found = figures(few, [{**HEADS[0], "report": {"kind": "imported"}}])
    assert [one.name for one in found] == ["learning-curve", "histogram", "reliability"]
    assert [one.name for one in found[0].series] == ["measured"]
    ElementTree.fromstring(svg.alone(found))


def test_a_curve_that_was_cut_short_says_so() -> None:
    assert "no time" not in figures(evaluation())[0].says
    assert "no time" in figures({**evaluation(), "left_out": 2})[0].says


def test_svg_is_well_formed_and_within_its_frame() -> None:
    drawn = figures(evaluation(), HEADS)
    root = ElementTree.fromstring(svg.alone(drawn))
    plots = root.findall(f"{SVG}svg")
    assert len(plots) == 4
    for plot in plots:
        for circle in plot.iter(f"{SVG}circle"):
            assert 0 <= float(circle.get("cx", "nan")) <= svg.WIDTH
            assert 0 <= float(circle.get("cy", "nan")) <= svg.HEIGHT
        for bar in plot.iter(f"{SVG}rect"):
            assert float(bar.get("height", "nan")) >= 0


def test_names_are_escaped() -> None:
    axis = Axis("<b>&", 0, 1, [(0, "0")])
    series = [Series("<i>", "dots", "main", [Mark(0.5, 0.5, "<script>")])]
    text = svg.draw(Figure("x", "<u>", "a & b", axis, axis, series * 2))
    ElementTree.fromstring(text)
    assert not any(tag in text for tag in ("<b>", "<i>", "<u>", "<script>"))
