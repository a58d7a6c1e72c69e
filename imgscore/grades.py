"""Grades: the numbers from 0 (trash) to 1 (keep) that labels stand for, and their names.

This module contains only pure functions. It reads no files.
"""

from typing import Final, Literal

from imgscore.errors import UsageError

LabelName = Literal["keep", "undecided", "trash"]
"""The name of a grade: "keep" above 0.5, "undecided" at 0.5, "trash" below."""

GradeText = Literal["keep", "trash", "reject", "-1", "1", "2", "3", "4", "5"]
"""The texts that stand for a grade."""
LabelText = Literal[GradeText, "clear", "0"]
"""The texts that stand for a grade, or for no label. A rating of 0 stars is no rating."""

TRASH: Final = 0.0
"""The grade of an image that the user deletes."""
UNDECIDED: Final = 0.5
"""The grade between the two sides. Larger grades count as keep, smaller grades as trash."""
KEEP: Final = 1.0
"""The grade of an image that the user keeps."""

OF_STARS: dict[int, float] = {-1: TRASH, 1: 0.1, 2: 0.3, 3: UNDECIDED, 4: 0.7, 5: 0.9}
"""The grade of each rating in stars. −1 is the rating of a rejected image in many programs. The
steps are equal, and the ends stay free for keep and trash, which say more than a rating."""

_NAMED: dict[str, float] = {
    "keep": KEEP,
    "trash": TRASH,
    "reject": TRASH,
    **{str(stars): grade for stars, grade in OF_STARS.items()},
}
_NO_LABEL = ("clear", "0")


def parse(text: str) -> float:
    """Return the grade that a text such as "keep" or "4" stands for.

    Raises UsageError if the text is not a GradeText.
    """
    grade = _NAMED.get(text)
    if grade is None:
        raise UsageError(f"{text!r} is not a label", "give keep, trash, reject, -1 or 1 to 5")
    return grade


def parse_label(text: str) -> float | None:
    """Return the grade that a text stands for. Return None if the text means "no label".

    Raises UsageError if the text is not a LabelText.
    """
    return None if text in _NO_LABEL else parse(text)


def of_number(number: float) -> float:
    """Return the grade of a number from another program, rounded to hundredths.

    Rounded grades are equal if they mean the same, and a store contains few different ones. Raises
    ValueError if the number is not from 0 to 1.
    """
    if not TRASH <= number <= KEEP:
        raise ValueError(f"{number!r} is not a grade from 0 to 1")
    return round(float(number), 2)


def name_of(grade: float) -> LabelName:
    """Return "keep" for a grade above 0.5, "undecided" for 0.5, and "trash" for a grade below."""
    if grade == UNDECIDED:
        return "undecided"
    return "keep" if grade > UNDECIDED else "trash"


def stars_of(grade: float) -> int:
    """Return the rating in stars (−1, or 1 to 5) whose grade is nearest to `grade`."""
    return min(OF_STARS, key=lambda stars: abs(OF_STARS[stars] - grade))


def text_of(grade: float) -> str:
    """Return a grade as text for people: "keep", "trash", "4 stars", or a number such as "0.65"."""
    if grade in (TRASH, KEEP):
        return name_of(grade)
    stars = stars_of(grade)
    if OF_STARS[stars] != grade:
        return f"{grade:g}"
    return "1 star" if stars == 1 else f"{stars} stars"
