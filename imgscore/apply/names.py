"""Chooses a free name for the files of one group. This module reads nothing from the disk."""

from collections.abc import Callable, Sequence

MAX_NAME_BYTES = 255
"""The largest length of a file name in bytes, on all common file systems of Linux."""
MAX_NUMBER = 1_000_000
"""The largest number in a name. A folder with so many equal names does not exist."""


def numbered(names: Sequence[bytes], stem: bytes, number: int) -> list[bytes] | None:
    """Return the names with a number behind their common beginning: `a (2).jpg` for `a.jpg`.

    `stem`: the common beginning, `a` for `a.jpg` and `a.jpg.xmp`. All names get the same number, so
    that the files still belong together. A stem that is too long is cut. Return None if a name does
    not begin with the stem, or if no letter of the stem is left.
    """
    if not stem or not all(name.startswith(stem) for name in names):
        return None
    ends = [name[len(stem) :] for name in names]
    mark = b" (%d)" % number
    room = MAX_NAME_BYTES - len(mark) - max(map(len, ends))
    short = _cut(stem, room)
    return [short + mark + end for end in ends] if short else None


def _cut(stem: bytes, size: int) -> bytes:
    """Return the first bytes of a stem. A letter in UTF-8 is not cut in half."""
    if len(stem) <= size:
        return stem
    end = max(0, size)
    while end > 0 and stem[end] & 0xC0 == 0x80 and size - end < 3:
        end -= 1
    return stem[:end]


def free_names(
    names: Sequence[bytes], stem: bytes, is_free: Callable[[bytes], bool], first: int = 1
) -> tuple[list[bytes], int] | None:
    """Return names that are all free, and their number. The number 1 stands for the given names.

    `is_free`: a function that returns whether a name can be used. `first`: the first number to try.
    Return None if there are no free names.
    """
    for number in range(first, MAX_NUMBER):
        tried = list(names) if number == 1 else numbered(names, stem, number)
        if tried is None:
            return None
        if all(map(is_free, tried)):
            return tried, number
    return None
