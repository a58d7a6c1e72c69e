"""Read the tags of the first page of a TIFF or of EXIF data: ratings, dates, and the place of the
XMP packet."""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

RATING, RATING_PERCENT = 0x4746, 0x4749
CHANGED, TAKEN, DIGITIZED = 0x0132, 0x9003, 0x9004
"""The tags of the three dates of EXIF. The last two are on a page of their own."""
DATES = (CHANGED, TAKEN, DIGITIZED)
_EXIF_PAGE = 0x8769
_TEXT = 2
"""The type of a date: it is a text such as "2024:05:06 12:34:56"."""
_YEAR_SIZE = 5
"""The number of bytes of a date that are read: the year, and a colon."""
_XMP = 700
MAX_ENTRIES = 1000
"""The largest number of tags of a page that are read. A page has at most about a hundred."""
_MAGIC = {42: 42, 43: 43, 0x55: 42, 0x4F52: 42, 0x5352: 42}
"""The numbers after the byte order: TIFF and BigTIFF; Panasonic and Olympus write other numbers
for a plain TIFF. The value is the number of the layout."""
_BYTE_SIZES = {1: 1, 3: 2, 4: 4, 7: 1, 13: 4, 16: 8, 18: 8}
"""The sizes in bytes of the types BYTE, SHORT, LONG, UNDEFINED, IFD, LONG8 and IFD8."""

ReadAt = Callable[[int, int], bytes]
Place = tuple[int, int]
"""The offset and the size of the XMP packet, in bytes."""


class _Entry(NamedTuple):
    """One tag of a page. `number`: how many values it has. `value`: the value, or its offset."""

    tag: int
    kind: int
    number: int
    value: bytes


class _Layout(NamedTuple):
    """The byte order of a TIFF, the format of the number of tags of a page, and of one tag."""

    order: str
    total: struct.Struct
    entry: struct.Struct


def tags_of(read: ReadAt) -> tuple[dict[int, int], Place | None]:
    """Return the wanted tags of the first page by number, and the place of the XMP packet.

    These are the rating tags with their values, and the dates with their years.

    `read`: a function that returns `size` bytes at `offset`, or fewer at the end of the data.
    Raises struct.error if the header or a rating tag is cut off.
    """
    start = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        return {}, None
    number = _MAGIC.get(struct.unpack_from(f"{order}H", start, 2)[0])
    if number == 43:
        (page,) = struct.unpack_from(f"{order}Q", start, 8)
        layout = _Layout(order, struct.Struct(f"{order}Q"), struct.Struct(f"{order}HHQ8s"))
    elif number == 42:
        (page,) = struct.unpack_from(f"{order}L", start, 4)
        layout = _Layout(order, struct.Struct(f"{order}H"), struct.Struct(f"{order}HHL4s"))
    else:
        return {}, None
    tags: dict[int, int] = {}
    place: Place | None = None
    exif_page = 0
    for tag, kind, count, value in _entries(read, page, layout):
        size = _BYTE_SIZES.get(kind, 0)
        if tag in (RATING, RATING_PERCENT) and size and count == 1:
            tags[tag] = _integer(value[:size], order)
        elif tag == _XMP and size == 1 and count > len(value):
            place = _integer(value, order), count
        elif tag == _EXIF_PAGE and size > 1 and count == 1:
            exif_page = _integer(value[:size], order)
        elif tag == CHANGED:
            tags |= _year(read, _Entry(tag, kind, count, value), order)
    if exif_page:
        with suppress(struct.error):  # a page of dates that is cut off does not hide a rating
            for entry in _entries(read, exif_page, layout):
                if entry.tag in DATES:
                    tags |= _year(read, entry, order)
    return tags, place


def _entries(read: ReadAt, page: int, layout: _Layout) -> Iterator[_Entry]:
    """Yield the tags of the page at the offset `page`."""
    (count,) = layout.total.unpack(read(page, layout.total.size))
    size = layout.entry.size
    entries = read(page + layout.total.size, min(count, MAX_ENTRIES) * size)
    for position in range(0, len(entries) - size + 1, size):
        yield _Entry(*layout.entry.unpack_from(entries, position))


def _year(read: ReadAt, entry: _Entry, order: str) -> dict[int, int]:
    """Return the year of a date by its tag. A camera without a clock writes no year, or 0000."""
    if entry.kind != _TEXT or entry.number <= len(entry.value):
        return {}
    year, colon, _ = read(_integer(entry.value, order), _YEAR_SIZE).partition(b":")
    return {entry.tag: int(year)} if colon and year.isdigit() and int(year) else {}


def _integer(data: bytes, order: str) -> int:
    return int.from_bytes(data, "little" if order == "<" else "big")
