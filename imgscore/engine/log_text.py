"""Functions that format numbers, paths and tastes for the log."""

import os
from collections import Counter
from collections.abc import Mapping

from imgscore.grades import name_of


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 image` or `1,024 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def label_counts(grades: Mapping[float, int]) -> str:
    """Return the numbers of labels as text, such as `5 keep, 1 undecided, 3 trash`.

    `grades`: the number of labels of each grade. Undecided labels are left out if there are none.
    """
    counts = Counter({"keep": 0, "undecided": 0, "trash": 0})
    for grade, count in grades.items():
        counts[name_of(grade)] += count
    return ", ".join(
        f"{count:,} {name}" for name, count in counts.items() if count or name != "undecided"
    )


def short_path(path: bytes) -> str:
    """Return a path as text, with ~ for the home folder."""
    text, home = os.fsdecode(path), os.path.expanduser("~")
    return f"~{text[len(home) :]}" if text == home or text.startswith(f"{home}/") else text


def of_taste(taste: str) -> str:
    """Return a text such as ` of taste memes`, or "" for the default taste."""
    return "" if taste == "default" else f" of taste {taste}"
