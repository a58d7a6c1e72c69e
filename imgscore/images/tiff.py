"""Read the pages of a TIFF: find the page that is the picture, and recognise camera raw files.

Only workers import this module, because it imports Pillow.
"""

from __future__ import annotations

import io
import struct

from PIL import TiffImagePlugin

# These TIFF tags distinguish a camera raw file from a plain TIFF.
_SUBFILE_TYPE, _WIDTH, _HEIGHT, _COMPRESSION = 254, 256, 257, 259
_PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 262, 330, 50706
# This bit of _SUBFILE_TYPE means that the page is a reduced image, for example a thumbnail.
_REDUCED_IMAGE = 1
# These values of _PHOTOMETRIC mean sensor data: a colour filter array, and linear raw.
_SENSOR_DATA = frozenset({32803, 34892})
# These values of _COMPRESSION are used only for sensor data: Sony, Nikon and Pentax.
_SENSOR_COMPRESSIONS = frozenset({32767, 34713, 65535})
# Values of _COMPRESSION that Pillow's own libtiff decodes: none, fax, LZW, JPEG, deflate, PackBits
# and LZMA.
_DECODABLE_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925})
MAX_SUB_PAGES = 16
"""The largest number of pages below the first page that are read. Files have at most four."""

MAX_ENTRIES = 1000
"""The largest number of tags of a page that are read. A page has at most about a hundred."""
_OFFSET_TYPES = frozenset({16, 18})
"""The types of an offset of 8 bytes in a BigTIFF."""

Page = TiffImagePlugin.ImageFileDirectory_v2


def first_page(data: bytes) -> Page:
    """Return the tags of the first page. A damaged file may cause any exception class."""
    return _page(data, None)


def _page(data: bytes, offset: int | None) -> Page:
    page = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if _is_big(data) else 8])
    stream = io.BytesIO(data)
    stream.seek(page.next if offset is None else offset)
    page.load(stream)
    return page


def _is_big(data: bytes) -> bool:
    return b"+" in data[2:4]


def is_raw(data: bytes) -> bool:
    """Return whether a TIFF is a camera raw file.

    A TIFF is a camera raw file in three cases: it has the DNG version tag; its first page contains
    sensor data, which Pillow does not open; its first page is the thumbnail of another page, and
    that page is not a plain image.
    """
    first = first_page(data)
    if _DNG_VERSION in first or _is_sensor_data(first):
        return True
    offsets = _sub_pages(data, first)
    return _has_thumbnail_first(first, offsets) and picture_page(data) is None


def picture_page(data: bytes) -> int | None:
    """Return the byte offset of the largest plain image among the pages below the first page.

    Return None if the first page is the picture itself. Also return None if one of the pages
    contains sensor data, or if no page is a plain image.
    """
    first = first_page(data)
    offsets = _sub_pages(data, first)
    if not _has_thumbnail_first(first, offsets):
        return None
    largest, best = 0, None
    for offset in offsets:
        page = _page(data, offset)
        if _is_sensor_data(page):
            return None
        pixels = int(page.get(_WIDTH, 0)) * int(page.get(_HEIGHT, 0))
        if pixels > largest and not page.get(_SUBFILE_TYPE, 0) & _REDUCED_IMAGE:
            largest, best = pixels, offset
    return best


def with_first_page(data: bytes, offset: int) -> bytes:
    """Return a copy of a TIFF in which the page at `offset` is the first page."""
    order = "<" if data[:2] == b"II" else ">"
    if _is_big(data):
        return data[:8] + struct.pack(f"{order}Q", offset) + data[16:]
    return data[:4] + struct.pack(f"{order}L", offset) + data[8:]


def unsupported_compression(data: bytes) -> int | None:
    """Return the compression of the first page if Pillow cannot decode it, otherwise None."""
    compression = first_page(data).get(_COMPRESSION, 1)
    return None if compression in _DECODABLE_COMPRESSIONS else int(compression)


def _has_thumbnail_first(first: Page, offsets: tuple[int, ...]) -> bool:
    return bool(offsets) and bool(first.get(_SUBFILE_TYPE, 0) & _REDUCED_IMAGE)


def _big_sub_pages(data: bytes) -> tuple[int, ...]:
    """Return the offsets of the pages below the first page of a BigTIFF.

    Pillow does not read the type that BigTIFF uses for offsets.
    """
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}Q", data, 8)
    (entries,) = struct.unpack_from(f"{order}Q", data, start)
    for index in range(min(entries, MAX_ENTRIES)):
        at = start + 8 + 20 * index
        tag, kind, count = struct.unpack_from(f"{order}HHQ", data, at)
        if tag == _SUB_IFDS and kind in _OFFSET_TYPES:
            count = min(count, MAX_SUB_PAGES)
            if count > 1:
                (at,) = struct.unpack_from(f"{order}Q", data, at + 12)
                return struct.unpack_from(f"{order}{count}Q", data, at)
            return struct.unpack_from(f"{order}Q", data, at + 12)
    return ()


def _is_sensor_data(page: Page) -> bool:
    return page.get(_PHOTOMETRIC) in _SENSOR_DATA or page.get(_COMPRESSION) in _SENSOR_COMPRESSIONS


def _sub_pages(data: bytes, first: Page) -> tuple[int, ...]:
    if _is_big(data):
        return _big_sub_pages(data)
    offsets = first.get(_SUB_IFDS, ())
    return tuple(offsets if isinstance(offsets, tuple) else (offsets,))[:MAX_SUB_PAGES]
