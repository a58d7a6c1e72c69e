"""Identify the format of a file from its bytes, and detect whether the end of a file is missing.

No decoder is needed. The name and extension of the file are not used.
"""

import struct
from collections.abc import Iterator

from imgscore.images import jpeg

JPEG = "JPEG"
HEIF = "HEIF"
RAW = "RAW"
JXL = "JXL"
TGA = "TGA"

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\xff\x0a", JXL),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", JXL),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"8BPS", "PSD"),
    (b"qoif", "QOI"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\x00", RAW),
    (b"FOVb", RAW),
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_RAW_BRANDS = frozenset({b"crx "})
_TGA_HEADER_BYTES = 18
_TGA_RAW, _TGA_RUNS = frozenset({1, 2, 3}), frozenset({9, 10, 11})
"""The kinds of TGA: palette, colour and grey; with single pixels, or with runs of equal pixels."""
_TGA_DEPTHS = frozenset({8, 15, 16, 24, 32})


def format_of(data: bytes) -> str:
    """Return the name of the format: HEIF, RAW, or the name that Pillow uses.

    The result is '' if the bytes are not an image.
    """
    if data[4:8] == b"ftyp":
        return _format_of_boxes(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:4] == b"II*\x00" and data[8:10] == b"CR":
        return RAW
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    found = next((name for prefix, name in _PREFIXES if data.startswith(prefix)), "")
    return found or (TGA if _is_tga(data) else "")


def _is_tga(data: bytes) -> bool:
    """Return whether the bytes are a TGA. A TGA has no signature, so its header is checked."""
    if len(data) < _TGA_HEADER_BYTES:
        return False
    id_bytes, palette, kind, first, colours, colour_bits, width, height, bits, flags = (
        struct.unpack_from("<BBBHHB4xHHBB", data)
    )
    if kind not in (_TGA_RAW | _TGA_RUNS) or bits not in _TGA_DEPTHS or flags & 0xC0:
        return False
    if palette != (kind & 3 == 1) or not (width and height):
        return False
    if not palette and (first or colours or colour_bits):
        return False
    palette_bytes = colours * ((colour_bits + 7) // 8)
    pixel_bytes = width * height * ((bits + 7) // 8) if kind in _TGA_RAW else 1
    return bool(len(data) >= _TGA_HEADER_BYTES + id_bytes + palette_bytes + pixel_bytes)


def is_cut_off(data: bytes) -> bool:
    """Return whether the structure of a file shows that its end is missing.

    Call this only for a file that could not be decoded. For a complete JPEG with much data after
    its end marker, the result is also True.
    """
    match format_of(data):
        case "JPEG":
            return jpeg.EOI not in data[-jpeg.TRAILER_BYTES :]
        case "PNG":
            return _png_is_cut_off(data)
        case "GIF":
            return not data.rstrip(b"\0").endswith(b";")
        case "WEBP":
            return int.from_bytes(data[4:8], "little") + 8 > len(data)
        case "AVIF" | "HEIF":
            return any(end > len(data) for _, end in _boxes(data))
        case _:
            return False


def is_lossy_webp(data: bytes) -> bool:
    """Return whether the first frame of a WebP file was compressed with loss."""
    start = 12
    while start + 8 <= len(data):
        size, kind = int.from_bytes(data[start + 4 : start + 8], "little"), data[start : start + 4]
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8 "
        # The content of an animation's frame begins with 16 bytes and then the frame's own chunks.
        start += 24 if kind == b"ANMF" else 8 + size + size % 2
    return False


def _format_of_boxes(data: bytes) -> str:
    """Return AVIF, HEIF or RAW (Canon) by the brands in the first box of an ISO media file.

    The result is '' if the brands belong to none of these formats.
    """
    size = int.from_bytes(data[:4], "big")
    declared = data[8 : min(size, 256)]
    brands = {declared[start : start + 4] for start in range(0, len(declared), 4)}
    for format_brands, name in ((_AVIF_BRANDS, "AVIF"), (_HEIF_BRANDS, HEIF), (_RAW_BRANDS, RAW)):
        if brands & format_brands:
            return name
    return ""


def _boxes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and the declared end of each top-level box of an ISO media file.

    Both numbers are byte offsets.
    """
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size == 1:
            size = int.from_bytes(data[start + 8 : start + 16], "big")
        end = start + max(size, 8) if size else len(data)
        yield start, end
        start = end


def _png_is_cut_off(data: bytes) -> bool:
    """Return whether the bytes of a PNG end before an IEND chunk."""
    start = 8
    while start + 8 <= len(data):
        size, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if kind == b"IEND":
            return False
        if not kind.isalpha():
            # If the rest of the file is zeros, a download has preallocated the file and is not
            # finished. If the rest contains other bytes, the file is damaged.
            return not data[start:].strip(b"\0")
        start += size + 12
    return True
