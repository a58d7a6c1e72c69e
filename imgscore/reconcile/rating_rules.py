"""The rules that determine which label follows from the ratings that other programs store.

This module reads no files. docs/labels.md contains the rules as a table.

An image can have several ratings at once: in two sidecars, in the file, and in an extended
attribute. The rating that changed last counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from imgscore.store.ratings import RatedFile
from imgscore.store.schema import Label

ORDER = ("sidecar", "stem", "file", "xattr")
"""The sources of a rating. If several are new at once, the first one of them counts."""

Act = Literal["set", "clear"]


def winner(before: RatedFile | None, values: Mapping[str, float]) -> str:
    """Return the source whose value counts, or "" if no source has a value.

    `before`: the ratings that were read last; None if the image had none. `values`: the present
    value of each source that has one.
    """
    former = {} if before is None else before.carried | before.values
    changed = [name for name in ORDER if name in values and values[name] != former.get(name)]
    if changed:
        return changed[0]
    if before is not None and before.winner in values:
        return before.winner
    return next((name for name in ORDER if name in values), "")


def last_grade(rated: RatedFile) -> float | None:
    """Return the grade of the rating that was read last; None if the image had none.

    If the file was moved, and its ratings were not read since, the former values count.
    """
    if rated.winner:
        return rated.grade
    value = rated.carried.get(winner(None, rated.carried), -1.0)
    return None if value < 0 else value


def former_grade(before: RatedFile | None, present: str) -> float | None:
    """Return the grade of the rating that counted before; None if the image had no rating.

    `present`: the source that counts now. If the file was moved, the former value of this source
    counts.
    """
    if before is None or before.winner:
        return None if before is None else before.grade
    value = before.carried.get(present, -1.0)
    return None if value < 0 else value


@dataclass(frozen=True)
class Reading:
    """The ratings of an image that were just read.

    grade: the grade of the rating that counts; None if the image has no rating.
    former: the grade of the rating that was read before for this file, or for another file with the
    same bytes; None if there was no rating.
    first: whether imgscore reads the ratings of this file for the first time.
    rewritten: whether the file had other bytes when its ratings were read last.
    label: the label of the image, or None.
    other: the grade of another present file with the same bytes; None if it has no rating.
    shared: whether the label came from the rating of the RAW or JPEG file with the same name.
    """

    grade: float | None
    former: float | None
    first: bool
    rewritten: bool
    label: Label | None
    other: float | None = None
    shared: bool = False


def grade_to_log(reading: Reading) -> float | Literal["clear"] | None:
    """Return the grade of the label that follows, "clear", or None if the label does not change.

    A rating is an act of the user at the time at which imgscore sees its change. A rating that is
    read for the first time is no change: it teaches only if the image has no label, or a label from
    the rating of its RAW or JPEG file. A rating that was removed clears only a label that came from
    a rating.
    """
    label, grade = reading.label, reading.grade
    if grade is None:
        if reading.former is None or label is None or label.source != "rating":
            return None
        return "clear" if reading.other is None else _changed(reading.other, label)
    if label is None:
        # After `imgscore label clear`, an old rating must not come back.
        return grade if grade != reading.former or reading.rewritten else None
    if (reading.first and not reading.shared) or grade == reading.former:
        return None
    return _changed(grade, label)


def _changed(grade: float, label: Label) -> float | None:
    return None if label.grade == grade else grade
