"""Finds out whether image files have a date in their EXIF data. No pixel is decoded.

The command `init` reads dates itself, without a worker: the reader is pure Python, and limited.
"""

import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

from imgscore.fsutil import open_regular
from imgscore.images.ratings.containers import metadata_of
from imgscore.images.ratings.tiff_tags import DATES
from imgscore.images.ratings.values import UnreadableError
from imgscore.images.ratings.window import Window

SECONDS = 2.0
"""The longest time in which the dates of a folder are counted, in seconds. A folder may contain
100,000 files, and a network disk may need 10 ms for each."""
MIN_FILES = 50
"""The smallest number of files that are read, even if they take longer than SECONDS."""
BUDGET_CHECK = 10
"""The number of files that are read between two checks of the time."""


class DateCount(NamedTuple):
    """The number of files that have no date in their EXIF data, among the files that were read."""

    read: int
    without: int


def has_date(path: bytes) -> bool:
    """Return whether a file has a date in its EXIF data. A damaged file has none.

    Raises OSError if the file cannot be opened.
    """
    with open_regular(path) as file:
        try:
            tags = metadata_of(Window(file.fileno())).tags
        except (struct.error, UnreadableError, ValueError):
            return False
    return any(tag in tags for tag in DATES)


def count_without_date(paths: Sequence[bytes], seconds: float = SECONDS) -> DateCount:
    """Count the files that have no date in their EXIF data, for at most `seconds`.

    If the time does not suffice for all files, the first of `paths` are read, and at least
    MIN_FILES: the caller shuffles them. A file that cannot be opened is not counted.
    """
    deadline = time.monotonic() + seconds
    read = without = 0
    for number, path in enumerate(paths):
        if number >= MIN_FILES and not number % BUDGET_CHECK and time.monotonic() >= deadline:
            break
        try:
            dated = has_date(path)
        except OSError:
            continue
        read += 1
        without += not dated
    return DateCount(read, without)
