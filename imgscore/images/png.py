"""Rewrite a PNG without the chunks that the pixels do not need.

Viewers skip an ancillary chunk that is broken or too large. Pillow refuses the whole file. This
module leaves such chunks out, and keeps the critical chunks as they are: a broken critical chunk
remains an error.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT_BYTES = 1 << 20
"""The largest size in bytes of the EXIF, and of one text after decompression. Pillow refuses larger
texts."""
MAX_TEXTS_BYTES = 4 << 20
"""The largest size in bytes of all kept texts together. They limit the memory for a file that
contains thousands of compressed texts."""
_TRNS_BYTES = 256
"""The largest size in bytes of the transparency of a palette: one byte for each colour."""
_ACTL_BYTES, _FCTL_BYTES = 8, 26
"""The sizes in bytes of the two control chunks of an animated PNG."""
_TEXT_KEYWORDS = frozenset({b"exif", b"Raw profile type exif", b"XML:com.adobe.xmp"})
"""The texts from which Pillow reads EXIF fields: camera, date and orientation."""


class _Chunk(NamedTuple):
    start: int
    kind: bytes
    body: memoryview
    is_intact: bool

    @property
    def end(self) -> int:
        return self.start + len(self.body) + 12


def without_unused_chunks(data: bytes) -> bytes:
    """Return a PNG with only those ancillary chunks that `decode` uses and that are intact.

    The bytes after the end chunk are left out, too. If the structure of the file breaks off, the
    rest of the file is kept as it is.
    """
    kept = [memoryview(data)[: len(SIGNATURE)]]
    end = len(SIGNATURE)
    budget = MAX_TEXTS_BYTES
    after_pixels = False
    for chunk in _chunks(data):
        size = _kept_bytes(chunk, after_pixels, budget)
        if size is not None:
            kept.append(memoryview(data)[chunk.start : chunk.end])
            budget -= size
        end = chunk.end
        after_pixels = after_pixels or chunk.kind == b"IDAT"
        if chunk.kind == b"IEND":
            return b"".join(kept)
    return b"".join([*kept, memoryview(data)[end:]])


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the whole chunks of a PNG. Stop at the first bytes that are not a chunk."""
    view, start = memoryview(data), len(SIGNATURE)
    while start + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        end = start + size + 12
        if not kind.isalpha() or end > len(data):
            return
        # Only the checksums of ancillary chunks are checked here. Pillow checks the others.
        is_intact = not kind[0] & 32 or (
            zlib.crc32(view[start + 4 : end - 4]) == int.from_bytes(view[end - 4 : end], "big")
        )
        yield _Chunk(start, kind, view[start + 8 : end - 4], is_intact)
        start = end


def _kept_bytes(chunk: _Chunk, after_pixels: bool, budget: int) -> int | None:
    """Return the bytes of `budget` that a kept chunk uses, or None to leave the chunk out.

    `after_pixels`: whether pixels were stored before the chunk. The control chunks there belong to
    the later frames of an animation.
    """
    if not chunk.kind[0] & 32:
        return 0
    if not chunk.is_intact:
        return None
    size = len(chunk.body)
    match chunk.kind:
        case b"tRNS":
            return 0 if 0 < size <= _TRNS_BYTES else None
        case b"acTL":
            return 0 if size == _ACTL_BYTES and not after_pixels else None
        case b"fcTL":
            is_first = size == _FCTL_BYTES and bytes(chunk.body[:4]) == bytes(4)
            return 0 if is_first and not after_pixels else None
        case b"eXIf":
            return size if size <= min(MAX_TEXT_BYTES, budget) else None
        case b"tEXt" | b"zTXt" | b"iTXt":
            keyword = bytes(chunk.body[:80]).partition(b"\0")[0]
            if keyword not in _TEXT_KEYWORDS:
                return None
            text_bytes = _text_bytes(chunk, len(keyword))
            if text_bytes is None or text_bytes > min(MAX_TEXT_BYTES, budget):
                return None
            return text_bytes
        case _:
            return None


def _text_bytes(chunk: _Chunk, keyword_bytes: int) -> int | None:
    """Return the size of a text chunk after decompression, or None if the text is broken.

    A text that is larger than MAX_TEXT_BYTES is decompressed only up to this size.
    """
    rest = chunk.body[keyword_bytes + 1 :]
    if chunk.kind == b"iTXt":
        # One byte is 1 if the text is compressed, and the next byte is the method. Two texts
        # follow: the language and the translated keyword. Each ends with a zero byte.
        if len(rest) < 4 or not rest[0]:
            return len(rest)
        parts = bytes(rest[2:]).split(b"\0", 2)
        if len(parts) < 3:
            return None
        rest = memoryview(parts[2])
    elif chunk.kind == b"zTXt":
        rest = rest[1:]
    else:
        return len(rest)
    try:
        return len(zlib.decompressobj().decompress(rest, MAX_TEXT_BYTES + 1))
    except zlib.error:
        return None
