"""Find the XMP packet and the EXIF tags in an image file by the structure of its format.

Only the headers of the parts of a file, and the metadata themselves, are read. No pixel is decoded.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from imgscore.images.ratings import boxes, xmp
from imgscore.images.ratings.tiff_tags import tags_of
from imgscore.images.ratings.values import UnreadableError
from imgscore.images.ratings.window import Window

MAX_PARTS = 40_000
"""The largest number of segments, chunks or boxes of a file. A PNG of 300 MB has as many chunks of
8 kB; other formats have at most a few hundred parts."""
MAX_SEGMENTS = 2000
"""The largest number of segments before the pixels of a JPEG. A packet of 4 MB has 65 segments."""
_REMEDY = "write the metadata again with the program that made the file"
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP_IN_JPEG = b"http://ns.adobe.com/xmp/extension/\0"
_MORE_HEADER = struct.Struct(">32sII")
"""The header of a part of an extended packet: its GUID, the size of the whole, and the offset."""
_EXIF_IN_JPEG = b"Exif\0\0"
_XMP_IN_PNG = b"XML:com.adobe.xmp"
_PROFILE = b"Raw profile type exif\0"
"""The keyword of the EXIF data in a PNG of ImageMagick and of exiv2 before 0.28."""
_RAF_PREVIEW = 84
"""The offset of the offset of the JPEG in a Fuji RAW. This JPEG contains all metadata."""


@dataclass
class Metadata:
    """The metadata of a file: the XMP packet, and some tags of EXIF."""

    xmp: bytes = b""
    more_xmp: dict[bytes, bytearray] = field(default_factory=dict)
    """the extended XMP packets of a JPEG, by GUID"""
    tags: dict[int, int] = field(default_factory=dict)
    """the ratings, and the years of the dates, by the numbers of their tags"""


def metadata_of(window: Window) -> Metadata:
    """Return the metadata of an image file. A file of an unknown format has none.

    Raises UnreadableError if the metadata are too large. Raises struct.error if they are damaged.
    """
    start = window.at(0, 16)
    found = Metadata()
    reader = next((read for prefix, read in _FORMATS if start.startswith(prefix)), None)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        reader = _read_webp
    elif start[4:8] == b"ftyp":
        reader = _read_boxes
    if reader is not None:
        reader(window, found)
    return found


# ---- JPEG


def _read_jpeg(window: Window, found: Metadata) -> None:
    position = 2
    for _ in range(MAX_SEGMENTS):
        header = window.at(position, 4)
        if len(header) < 4 or header[0] != 0xFF:
            return
        marker = header[1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker in (0xDA, 0xD9):  # the pixels, or the end of the file
            return
        size = int.from_bytes(header[2:], "big")
        if size < 2:
            return
        if marker == 0xE1:
            _read_segment(window.at(position + 4, size - 2), found)
        position += 2 + size


def _read_segment(body: bytes, found: Metadata) -> None:
    if body.startswith(_XMP_IN_JPEG):
        found.xmp = found.xmp or body[len(_XMP_IN_JPEG) :]
    elif body.startswith(_MORE_XMP_IN_JPEG):
        _add_part(body[len(_MORE_XMP_IN_JPEG) :], found.more_xmp)
    elif body.startswith(_EXIF_IN_JPEG):
        found.tags |= _exif_of(body)


def _add_part(body: bytes, packets: dict[bytes, bytearray]) -> None:
    """Add a part of an extended packet to its packet. Skip a part that does not fit."""
    if len(body) < _MORE_HEADER.size:
        return
    guid, total, offset = _MORE_HEADER.unpack_from(body)
    part = memoryview(body)[_MORE_HEADER.size :]
    if total > xmp.MAX_BYTES or offset + len(part) > total or len(packets) > 1:
        return
    packet = packets.setdefault(guid, bytearray(total))
    if len(packet) == total:
        packet[offset : offset + len(part)] = part


# ---- PNG


def _read_png(window: Window, found: Metadata) -> None:
    position = 8
    for _ in range(MAX_PARTS):
        header = window.at(position, 8)
        if len(header) < 8 or not header[4:].isalpha():
            return
        size, kind = int.from_bytes(header[:4], "big"), header[4:]
        if kind == b"iTXt" and window.at(position + 8, len(_XMP_IN_PNG) + 1) == _XMP_IN_PNG + b"\0":
            found.xmp = found.xmp or _international_text(_body(window, position + 8, size))
        elif kind == b"eXIf":
            found.tags |= _exif_of(_body(window, position + 8, size))
        elif kind == b"zTXt" and window.at(position + 8, len(_PROFILE)) == _PROFILE:
            found.tags |= _exif_of(_profile(_body(window, position + 8, size)))
        elif kind == b"IEND":
            return
        position += size + 12


def _international_text(body: bytes) -> bytes:
    """Return the text of an iTXt chunk. A compressed text is limited to the size of a packet."""
    compressed, rest = (
        body[len(_XMP_IN_PNG) + 1 : len(_XMP_IN_PNG) + 2],
        body[len(_XMP_IN_PNG) + 3 :],
    )
    # The language and the translated keyword follow. Each of them ends with a zero byte.
    text = (rest.split(b"\0", 2) + [b""] * 2)[2]
    return _inflated(text) if compressed == b"\1" else text


def _profile(body: bytes) -> bytes:
    """Return the EXIF data in a zTXt chunk: three lines of text, and then hexadecimal digits."""
    lines = _inflated(body[len(_PROFILE) + 1 :]).split(b"\n", 3)
    try:
        return bytes.fromhex(lines[-1].decode("ascii"))
    except ValueError:
        return b""


def _inflated(data: bytes) -> bytes:
    """Return decompressed data, at most one byte more than the largest packet."""
    try:
        return zlib.decompressobj().decompress(data, xmp.MAX_BYTES + 1)
    except zlib.error as error:
        raise UnreadableError(f"its compressed metadata are damaged: {error}", _REMEDY) from None


# ---- WebP


def _read_webp(window: Window, found: Metadata) -> None:
    position = 12
    for _ in range(MAX_PARTS):
        header = window.at(position, 8)
        if len(header) < 8:
            return
        kind, size = header[:4], int.from_bytes(header[4:], "little")
        if kind == b"XMP ":
            found.xmp = found.xmp or _body(window, position + 8, size)
        elif kind == b"EXIF":
            found.tags |= _exif_of(_body(window, position + 8, size))
        position += 8 + size + size % 2


# ---- TIFF, and camera RAW files, which are TIFFs


def _read_tiff(window: Window, found: Metadata) -> None:
    found.tags, place = tags_of(window.at)
    if place is not None:
        found.xmp = _body(window, *place)


def _read_raf(window: Window, found: Metadata) -> None:
    offset = int.from_bytes(window.at(_RAF_PREVIEW, 4), "big")
    if offset:
        _read_jpeg(window.below(offset), found)


# ---- ISO media files (HEIC, AVIF, CR3), JPEG XL and JPEG 2000


def _read_boxes(window: Window, found: Metadata) -> None:
    for part in boxes.metadata_of(window):
        if part.is_xmp:
            found.xmp = found.xmp or _body(window, part.offset, part.size)
        else:
            data = _body(window, part.offset, part.size)
            # The first four bytes are the number of bytes between them and the header.
            found.tags |= _exif_of(data[4 + int.from_bytes(data[:4], "big") :])


# ---- for all formats


def _body(window: Window, offset: int, size: int) -> bytes:
    if size > xmp.MAX_BYTES:
        raise UnreadableError(f"its metadata of {size >> 20} MB are too large", _REMEDY)
    return window.at(offset, size)


def _exif_of(data: bytes) -> dict[int, int]:
    data = data.removeprefix(_EXIF_IN_JPEG)
    return tags_of(lambda offset, size: data[offset : offset + size])[0]


_FORMATS: tuple[tuple[bytes, Callable[[Window, Metadata], None]], ...] = (
    (b"\xff\xd8", _read_jpeg),
    (b"\x89PNG\r\n\x1a\n", _read_png),
    (b"FUJIFILMCCD-RAW", _read_raf),
    (b"\x00\x00\x00\x0cJXL ", _read_boxes),
    (b"\x00\x00\x00\x0cjP  ", _read_boxes),
    (b"II", _read_tiff),
    (b"MM", _read_tiff),
)
"""The first bytes of each format, and the function that reads its metadata."""
