"""Grades: texts, stars and names."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from imgscore import grades
from imgscore.errors import UsageError

NUMBERS = some.floats(0, 1)


def test_parse_texts_gives_increasing_grades() -> None:
    ordered = ["trash", "1", "2", "3", "4", "5", "keep"]
    values = [grades.parse(text) for text in ordered]
    assert values == sorted(set(values)) and (values[0], values[-1]) == (0, 1)
    assert grades.parse("reject") == grades.parse("-1") == grades.parse("trash")


@pytest.mark.parametrize("text", ["", "0", "6", "-2", "4.5", "Keep", "clear", "+1", " 1", "٣"])
def test_parse_another_text_raises(text: str) -> None:
    with pytest.raises(UsageError, match="is not a label"):
        grades.parse(text)


def test_parse_label_zero_and_clear_mean_no_label() -> None:
    assert grades.parse_label("0") is grades.parse_label("clear") is None
    assert grades.parse_label("5") == grades.parse("5")


def test_name_of_stars_splits_at_three() -> None:
    names = {stars: grades.name_of(grade) for stars, grade in grades.OF_STARS.items()}
    assert names == {
        -1: "trash", 1: "trash", 2: "trash", 3: "undecided", 4: "keep", 5: "keep"
    }  # fmt: skip


@given(NUMBERS)
def test_stars_of_any_grade_is_the_nearest_rating(number: float) -> None:
    stars = grades.stars_of(number)
    distances = [abs(grade - number) for grade in grades.OF_STARS.values()]
    assert abs(grades.OF_STARS[stars] - number) == min(distances)


def test_stars_of_each_rating_is_the_rating() -> None:
    assert all(grades.stars_of(grade) == stars for stars, grade in grades.OF_STARS.items())
    assert grades.stars_of(grades.KEEP) == 5


@given(NUMBERS)
def test_of_number_keeps_the_side_or_rounds_to_undecided(number: float) -> None:
    name = grades.name_of(grades.of_number(number))
    assert name in (grades.name_of(number), "undecided")


@pytest.mark.parametrize("number", [-0.01, 1.001, math.nan, math.inf, -math.inf])
def test_of_number_outside_of_the_range_raises(number: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        grades.of_number(number)


def test_text_of_grades_is_for_people() -> None:
    texts = [grades.text_of(number) for number in (0, 0.1, 0.5, 0.65, 0.7, 1)]
    assert texts == ["trash", "1 star", "3 stars", "0.65", "4 stars", "keep"]
