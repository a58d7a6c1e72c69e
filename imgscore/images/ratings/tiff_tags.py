"""Read the tags of the first page of a TIFF or of EXIF data: ratings, and the place of the XMP."""

import struct
from collections.abc import Callable

RATING, RATING_PERCENT = 0x4746, 0x4749
_XMP = 700
MAX_ENTRIES = 1000
"""The largest number of tags of a page that are read. A page has at most about a hundred."""
_MAGIC = {42: 42, 43: 43, 0x55: 42, 0x4F52: 42, 0x5352: 42}
"""The numbers after the byte order: TIFF and BigTIFF; Panasonic and Olympus write other numbers
for a plain TIFF. The value is the number of the layout."""
_BYTE_SIZES = {1: 1, 3: 2, 4: 4, 7: 1, 16: 8}
"""The sizes in bytes of the types BYTE, SHORT, LONG, UNDEFINED and LONG8."""

ReadAt = Callable[[int, int], bytes]
Place = tuple[int, int]
"""The offset and the size of the XMP packet, in bytes."""


def tags_of(read: ReadAt) -> tuple[dict[int, int], Place | None]:
    """Return the rating tags of the first page by number, and the place of the XMP packet.

    `read`: a function that returns `size` bytes at `offset`, or fewer at the end of the data.
    Raises struct.error if the header or a tag is cut off.
    """
    start = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        return {}, None
    layout = _MAGIC.get(struct.unpack_from(f"{order}H", start, 2)[0])
    if layout == 43:
        (page,) = struct.unpack_from(f"{order}Q", start, 8)
        count_size, count_code, entry = 8, "Q", struct.Struct(f"{order}HHQ8s")
    elif layout == 42:
        (page,) = struct.unpack_from(f"{order}L", start, 4)
        count_size, count_code, entry = 2, "H", struct.Struct(f"{order}HHL4s")
    else:
        return {}, None
    (count,) = struct.unpack(f"{order}{count_code}", read(page, count_size))
    entries = read(page + count_size, min(count, MAX_ENTRIES) * entry.size)
    tags: dict[int, int] = {}
    place: Place | None = None
    for position in range(0, len(entries) - entry.size + 1, entry.size):
        tag, kind, number, value = entry.unpack_from(entries, position)
        size = _BYTE_SIZES.get(kind)
        if size is None:
            continue
        if tag in (RATING, RATING_PERCENT) and number == 1:
            tags[tag] = _integer(value[:size], order)
        elif tag == _XMP and size == 1 and number > len(value):
            place = _integer(value, order), number
    return tags, place


def _integer(data: bytes, order: str) -> int:
    return int.from_bytes(data, "little" if order == "<" else "big")
