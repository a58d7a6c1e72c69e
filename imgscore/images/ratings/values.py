"""The ratings that other programs write, and their grades. This module reads no files.

A rating is a number of stars, or a flag: picked, pending or rejected.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from imgscore import grades
from imgscore.errors import ImgscoreError

Scale = Literal["stars", "percent", "digikam", "pick", "exif", "exif_percent", "own"]
"""The kinds of properties: the stars and the per cent of XMP, digiKam's pick label, Lightroom's
flag, the stars and the per cent of EXIF, and the stars that imgscore wrote itself."""

PERCENT_OF_STARS = (12, 37, 62, 87)
"""The largest per cent of 1, 2, 3 and 4 stars. Windows writes 1, 25, 50, 75 and 99."""


class UnreadableError(ImgscoreError):
    """The error for metadata that cannot be read: they are damaged, too large or hostile."""


UNRATED = -1.0
"""The value of a source whose program has stored "no rating", such as 0 stars."""


def stars_of_text(text: str) -> float | None:
    """Return the number in a text if it is a number of stars from −1 to 5, otherwise None.

    A number can have decimals: Adobe defines a rating as a real number, and some programs know
    half stars. 0 means "no rating".
    """
    number = _number(text)
    if number is None or not (number == -1 or 0 <= number <= 5):
        return None
    return number


def stars_of_percent(text: str) -> float | None:
    """Return the stars of a rating in per cent, as Windows writes it. 0 means "no rating"."""
    number = _number(text)
    if number is None or not 0 <= number <= 100:
        return None
    return 1.0 + sum(number > limit for limit in PERCENT_OF_STARS) if number else 0.0


def grade_of_stars(stars: float) -> float:
    """Return the grade of −1 (rejected), or of a number of stars from 0 to 5.

    The grade of a fraction lies between the grades of its neighbours.
    """
    if stars <= 0:
        return grades.TRASH
    below = int(stars)
    low = grades.OF_STARS[below] if below else grades.TRASH
    high = grades.OF_STARS[min(below + 1, 5)]
    return grades.of_number(low + (high - low) * (stars - below))


def value_of(found: Mapping[Scale, str]) -> float | None:
    """Return the grade that the properties of one source contain.

    Return UNRATED if they contain 0 stars, and None if they contain no rating at all.

    A rejection counts more than stars, and stars count more than the other flags. If several
    properties contain stars, the first one counts in the order of `_stars`. Stars that imgscore
    wrote itself, and that no other program has changed since then, are no rating.
    """
    own = stars_of_text(found.get("own", ""))
    stars = next((value for value in _stars(found) if value is not None), None)
    flag = _flag(found)
    if flag == grades.TRASH or stars is None or stars == own:
        return flag
    if stars == 0:
        return UNRATED if flag is None else flag
    return grade_of_stars(stars)


def _stars(found: Mapping[Scale, str]) -> Iterator[float | None]:
    """Yield the stars of each property that can contain stars, the most usual property first."""
    yield stars_of_text(found.get("stars", ""))
    yield stars_of_percent(found.get("percent", ""))
    yield stars_of_text(found.get("exif", ""))
    yield stars_of_percent(found.get("exif_percent", ""))


def _flag(found: Mapping[Scale, str]) -> float | None:
    """Return the grade of digiKam's pick label or of Lightroom's flag. A rejection counts first."""
    flags = [
        _DIGIKAM.get(found.get("digikam", "").strip()),
        _LIGHTROOM.get(found.get("pick", "").strip()),
    ]
    given = [flag for flag in flags if flag is not None]
    return grades.TRASH if grades.TRASH in given else next(iter(given), None)


_DIGIKAM = {"1": grades.TRASH, "2": grades.UNDECIDED, "3": grades.KEEP}
"""digiKam's pick labels: 1 rejected, 2 pending, 3 accepted. 0 is no pick label."""
_LIGHTROOM = {"-1": grades.TRASH, "1": grades.KEEP}
"""Lightroom's flags: −1 rejected, 1 picked. 0 is no flag."""


def _number(text: str) -> float | None:
    text = text.strip()
    if not text or len(text) > 16 or not set(text) <= set("+-.0123456789"):
        return None
    try:
        return float(text)
    except ValueError:
        return None
