"""Find the metadata in a file that consists of boxes: HEIC, AVIF, CR3, JPEG XL and JPEG 2000."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from imgscore.images.ratings.window import Window

MAX_BOXES = 1000
"""The largest number of boxes of one file that are read. A file has at most about a hundred."""
MAX_META_BYTES = 1 << 20
"""The size in bytes of the largest box that lists the items of a HEIC. It has a few kilobytes."""
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The identifier of the box that contains XMP, in CR3 and JPEG 2000."""
_XMP_TYPE = b"application/rdf+xml"


class Part(NamedTuple):
    """The place of metadata in the file, in bytes. `is_xmp`: whether they are XMP, or EXIF."""

    offset: int
    size: int
    is_xmp: bool


class _Box(NamedTuple):
    kind: bytes
    start: int
    """the offset of the content"""
    end: int


def metadata_of(window: Window) -> Iterator[Part]:
    """Yield the places of the metadata. Raises struct.error if a box is cut off."""
    for box in _boxes(window, 0, window.size):
        size = box.end - box.start
        if box.kind == b"uuid" and window.at(box.start, 16) == _XMP_UUID:
            yield Part(box.start + 16, size - 16, is_xmp=True)
        elif box.kind == b"xml ":
            yield Part(box.start, size, is_xmp=True)
        elif box.kind == b"Exif":
            yield Part(box.start, size, is_xmp=False)
        elif box.kind == b"meta" and size <= MAX_META_BYTES:
            yield from _items(window, box)


def _boxes(window: Window, start: int, end: int) -> Iterator[_Box]:
    for _ in range(MAX_BOXES):
        header = window.at(start, 16)
        if start + 8 > end or len(header) < 8:
            return
        size, skipped = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, skipped = int.from_bytes(header[8:16], "big"), 16
        stop = min(start + size, end) if size else end
        if stop < start + skipped:
            return
        yield _Box(header[4:8], start + skipped, stop)
        start = stop


def _items(window: Window, meta: _Box) -> Iterator[Part]:
    """Yield the places of the items XMP and EXIF that a box "meta" lists."""
    kinds: dict[int, bool] = {}
    places: dict[int, tuple[int, int, int]] = {}
    data_start = 0
    for box in _boxes(window, meta.start + 4, meta.end):
        content = window.at(box.start, box.end - box.start)
        if box.kind == b"iinf":
            kinds = _kinds(window, box, content)
        elif box.kind == b"iloc":
            places = _places(content)
        elif box.kind == b"idat":
            data_start = box.start
    for item, is_xmp in kinds.items():
        method, offset, size = places.get(item, (2, 0, 0))
        if method == 0 or (method == 1 and data_start):
            yield Part(offset + (data_start if method else 0), size, is_xmp)


def _kinds(window: Window, box: _Box, content: bytes) -> dict[int, bool]:
    """Return the items that contain XMP (True) or EXIF (False), by their numbers."""
    kinds: dict[int, bool] = {}
    skipped = 6 if content[:1] == b"\0" else 8
    for entry in _boxes(window, box.start + skipped, box.end):
        info = window.at(entry.start, min(entry.end - entry.start, 256))
        if entry.kind != b"infe" or info[:1] not in (b"\2", b"\3"):
            continue
        number_size = 2 if info[0] == 2 else 4
        item = int.from_bytes(info[4 : 4 + number_size], "big")
        kind, texts = info[6 + number_size : 10 + number_size], info[10 + number_size :]
        if kind == b"Exif":
            kinds[item] = False
        elif kind == b"mime" and _XMP_TYPE in texts.split(b"\0")[:2]:
            kinds[item] = True
    return kinds


def _places(content: bytes) -> dict[int, tuple[int, int, int]]:
    """Return the (method, offset, size) of each item in one piece, by its number.

    The method is 0 for an offset in the file, and 1 for an offset in the box "idat".
    """
    numbers = _Numbers(content)
    version = numbers.take(1)
    numbers.take(3)
    sizes = numbers.take(2)
    offset_size, length_size, base_size, index_size = (
        sizes >> shift & 15 for shift in (12, 8, 4, 0)
    )
    count = numbers.take(2 if version < 2 else 4)
    places: dict[int, tuple[int, int, int]] = {}
    for _ in range(min(count, MAX_BOXES)):
        item = numbers.take(2 if version < 2 else 4)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)
        base, extents = numbers.take(base_size), numbers.take(2)
        for index in range(min(extents, MAX_BOXES)):
            numbers.take(index_size if version else 0)
            offset, size = numbers.take(offset_size), numbers.take(length_size)
            if index == 0 and extents == 1:
                places[item] = method, base + offset, size
    return places


class _Numbers:
    """Takes big-endian numbers from bytes, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def take(self, size: int) -> int:
        """Return the next number of `size` bytes. Raises struct.error if the data are cut off."""
        self._position += size
        if self._position > len(self._data):
            raise struct.error("a box is cut off")
        return int.from_bytes(self._data[self._position - size : self._position], "big")
