"""The relation of the date of a file to the dates of a record (docs/dates.md)."""

from enum import IntEnum

from imgscore.store import originals
from imgscore.store.schema import Original
from imgscore.store.shifts import NO_SHIFTS, Shifts


class Match(IntEnum):
    """The relation of the date of a file to the dates of a record."""

    NONE = 0
    """the date is not one of the record's dates"""
    ROUNDED_ORIGINAL = 1
    SHIFTED = 2
    """another program moved the date by a change of the time zone"""
    ROUNDED = 3
    """the last date that imgscore set, rounded by the file system"""
    EARLIER = 4
    """a date that imgscore set earlier"""
    ORIGINAL_ALIKE = 5
    """another program moved the dates of many files alike, and this file had its original date"""
    MOVED_ALIKE = 6
    """another program moved the dates of many files alike"""
    ORIGINAL = 7
    BEFORE = 8
    """the date before the last touch, so imgscore crashed before the touch"""
    AFTER = 9
    """the last date that imgscore set"""


def match(original: Original, mtime_ns: int, known: Shifts = NO_SHIFTS) -> Match:
    """Return the relation of a date to the dates of a record."""
    last = original.before_ns, original.after_ns
    if mtime_ns == original.original_ns:
        return Match.ORIGINAL
    if mtime_ns in last:
        return Match.AFTER if mtime_ns == last[1] else Match.BEFORE
    if originals.had(original, mtime_ns):
        return Match.EARLIER
    ours = [date for date in last if date != original.original_ns]
    if not original.is_restored and any(known.is_known(mtime_ns - date, mtime_ns) for date in ours):
        return Match.MOVED_ALIKE
    if original.original_ns in last and known.is_known(mtime_ns - original.original_ns, mtime_ns):
        return Match.ORIGINAL_ALIKE
    if originals.is_ours(original, mtime_ns):
        return Match.ROUNDED
    if originals.near(original.original_ns, mtime_ns):
        return Match.ROUNDED_ORIGINAL
    if original.is_restored:
        return Match.NONE
    moved = any(known.explains(mtime_ns - date, mtime_ns) for date in ours)
    return Match.SHIFTED if moved else Match.NONE
