"""Read the segments of a JPEG, without a decoder.

The functions find out which kind of JPEG a file is, whether all its scans are there, and how to
write it without broken segments.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SOS, _DAC = 0xDA, 0xCC
_DQT = 0xDB
_JPEG_LS = 0xF7
_FRAMES = frozenset({*range(0xC0, 0xD0), _JPEG_LS} - {0xC4, 0xC8, _DAC})
"""The markers that begin a frame. The marker names the coding of the pixels."""
_DECODABLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA})
"""The frames that libjpeg decodes: baseline, extended, progressive, lossless, and the same with
arithmetic coding."""
_PROGRESSIVE_FRAMES = frozenset({0xC2, 0xCA})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""The markers that have no size and no content."""
_KEPT = frozenset({*_FRAMES, 0xC4, _DAC, _DQT, 0xDC, 0xDD, 0xE0, 0xE1, 0xEE})
"""The segments that decoding uses: frame, tables, and the application segments 0, 1 and 14 (JFIF,
EXIF and Adobe's colour transform)."""
MAX_GARBAGE_BYTES = 128
"""The largest number of bytes before the start of a JPEG that are skipped. Some servers send a line
break or a header before the image."""
_MIN_ZEROS = 64
"""The number of zeros at the end of a file that count as missing data. Cameras pad a file with
fewer zeros, or pad it after the end marker."""
TRAILER_BYTES = 4096
"""The number of bytes at the end of a JPEG that are searched for the end marker. Cameras and
editors may append data after the end marker."""
_COEFFICIENTS = 64
"""The number of coefficients of a block of 8 × 8 pixels."""
_STANDARD_STEPS = 3688
"""The sum of the quantisation steps of the luma in the JPEG standard's table, which libjpeg uses
unchanged for the quality 50, and scales for every other quality."""


class Segment(NamedTuple):
    """One segment. `start` and `end` are byte offsets. `body` excludes the marker and the size."""

    marker: int
    start: int
    end: int
    body: bytes


def ends_in_zeros(data: bytes) -> bool:
    """Return whether the end of a JPEG is missing, and the file is filled up with zeros.

    A download program may give a file its final size first. Zeros are also valid pixels, so that
    the decoder may report no error.
    """
    if not data.endswith(bytes(_MIN_ZEROS)):
        return False
    return EOI not in data.rstrip(b"\0")[-TRAILER_BYTES:]


def start_of(data: bytes) -> int | None:
    """Return the offset of the start of a JPEG within the first MAX_GARBAGE_BYTES, or None."""
    start = data.find(SOI + b"\xff", 0, MAX_GARBAGE_BYTES + 3)
    return None if start < 0 else start


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG, including the header of each scan.

    The coded pixels after the header of a scan are skipped, and so are bytes that belong to no
    segment. The iteration stops at the end marker, and at a segment that is cut off.
    """
    position = 2
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            return
        marker = data[position + 1]
        if marker == EOI[1]:
            return
        if marker in (0x00, 0xFF) or marker in _STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        size = int.from_bytes(data[position + 2 : position + 4], "big")
        end = position + 2 + size
        if size < 2 or end > len(data):
            return
        yield Segment(marker, position, end, data[position + 4 : end])
        position = end


def unsupported_kind(data: bytes) -> str | None:
    """Return the name of the kind of a JPEG that libjpeg cannot decode. Otherwise return None."""
    for segment in segments(data):
        if segment.marker in _FRAMES and segment.body:
            if segment.marker not in _DECODABLE_FRAMES:
                return "JPEG-LS" if segment.marker == _JPEG_LS else "hierarchical JPEG"
            bits = segment.body[0]
            return f"{bits}-bit JPEG" if bits != 8 else None
        if segment.marker == _SOS:
            return None
    return None


def without_unused_segments(data: bytes) -> bytes:
    """Return a JPEG with only those segments before the first scan that decoding uses.

    Bytes before the start marker, and bytes between two segments, are left out, too.
    """
    start = start_of(data)
    if start is None:
        return data
    kept = [SOI]
    for segment in segments(data[start:] if start else data):
        if segment.marker == _SOS:
            return b"".join([*kept, memoryview(data)[start + segment.start :]])
        if segment.marker in _KEPT:
            kept.append(data[start + segment.start : start + segment.end])
    return data


def quality(data: bytes) -> int | None:
    """Return the quality of the compression, from 1 to 100, as libjpeg's programs name it.

    It follows from the mean of the first quantisation table, the one of the luma. Return None if
    the file has no such table.
    """
    for segment in segments(data):
        if segment.marker == _SOS:
            return None
        if segment.marker != _DQT or not segment.body:
            continue
        is_wide = segment.body[0] >> 4 != 0
        size = _COEFFICIENTS * (2 if is_wide else 1)
        table = segment.body[1 : 1 + size]
        if len(table) < size:
            return None
        steps: tuple[int, ...] = struct.unpack(f">{_COEFFICIENTS}{'H' if is_wide else 'B'}", table)
        percent = 100 * sum(steps) / _STANDARD_STEPS
        return max(1, min(100, round((200 - percent) / 2 if percent <= 100 else 5000 / percent)))
    return None


def is_progressive(data: bytes) -> bool:
    """Return whether the frame of a JPEG is progressive: each scan adds detail to all rows."""
    frames = (segment.marker for segment in segments(data) if segment.marker in _FRAMES)
    return next(frames, 0) in _PROGRESSIVE_FRAMES


def has_whole_picture(data: bytes) -> bool:
    """Return whether a progressive JPEG that is cut off shows the whole picture.

    This is the case if whole scans give each coefficient of each component, exact to its last bit
    or the bit before. The later scans only refine the coefficients. A scan is whole if another scan
    follows.
    """
    components: set[int] = set()
    known: dict[int, set[int]] = {}
    scan: tuple[list[int], range] | None = None
    for segment in segments(data):
        body = segment.body
        if segment.marker in _FRAMES and len(body) >= 6:
            components = {body[6 + 3 * index] for index in range(min(body[5], len(body[6:]) // 3))}
        if segment.marker != _SOS or len(body) < 4 + 2 * body[0]:
            continue
        if scan is not None:
            for component in scan[0]:
                known.setdefault(component, set()).update(scan[1])
        first, last, bits = struct.unpack_from("BBB", body, 1 + 2 * body[0])
        members = [body[1 + 2 * index] for index in range(body[0])]
        is_precise = bits & 0x0F <= 1
        scan = members, range(first, last + 1) if is_precise else range(0)
    return bool(components) and all(
        len(known.get(component, ())) >= _COEFFICIENTS for component in components
    )
