"""The content of the plots, and their SVG: well-formed and escaped."""

from xml.etree import ElementTree

import msgspec

from imgscore.heads.results import Point
from imgscore.report import svg
from imgscore.report.data import Measured
from imgscore.report.figures import Axis, Figure, Mark, Series, figures
from tests.unit.report.samples import evaluation, trained_head

SVG = "{http://www.w3.org/2000/svg}"
HEADS = [
    trained_head("1", 0.7),
    trained_head("2", 0.6, accepted=False),
    trained_head("3", 0.9, in_use=True),
]


def test_figures_of_an_evaluation_show_its_values() -> None:
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


def test_figures_of_few_labels_have_no_estimate_and_no_history() -> None:
    few = msgspec.structs.replace(evaluation(None), curve=[Point(4, 0.5, 0.2)])
    imported = msgspec.structs.replace(HEADS[0], report=Measured())
    plots = figures(few, [imported])
    assert [plot.name for plot in plots] == ["learning-curve", "histogram", "reliability"]
    assert [series.name for series in plots[0].series] == ["measured"]
    ElementTree.fromstring(svg.alone(plots))


def test_learning_curve_with_points_left_out_says_so() -> None:
    assert "time limit" not in figures(evaluation())[0].text
    assert "time limit" in figures(evaluation(left_out=2))[0].text


def test_svg_of_figures_is_well_formed_and_within_its_frame() -> None:
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


def test_svg_with_markup_in_names_escapes_it() -> None:
    axis = Axis("<b>&", 0, 1, [(0, "0")])
    series = [Series("<i>", "dots", "main", [Mark(0.5, 0.5, "<script>")])]
    text = svg.draw(Figure("x", "<u>", "a & b", axis, axis, series * 2))
    ElementTree.fromstring(text)
    assert not any(tag in text for tag in ("<b>", "<i>", "<u>", "<script>"))
