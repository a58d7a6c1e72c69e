"""decode() of PNGs with broken, large or unknown ancillary chunks: viewers skip such chunks."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from imgscore.errors import ImageError
from imgscore.images.decode import decode
from imgscore.images.png import MAX_TEXT_BYTES, without_unused_chunks


def picture() -> Image.Image:
    y, x = np.mgrid[0:60, 0:80]
    return Image.fromarray(np.dstack([x * 3, y * 4, (x + y) % 256]).astype(np.uint8))


def png(**options: object) -> bytes:
    stream = io.BytesIO()
    picture().save(stream, "PNG", **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes, *, broken: bool = False) -> bytes:
    checksum = zlib.crc32(kind + body) ^ (0xFFFF if broken else 0)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def zeros(size: int) -> bytes:
    return zlib.compress(bytes(size))


XMP = b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'

CHUNKS = {
    "text with a wrong checksum": chunk(b"tEXt", b"Comment\0hello", broken=True),
    "resolution with a wrong checksum": chunk(b"pHYs", bytes(9), broken=True),
    "resolution that is too short": chunk(b"pHYs", b"\0"),
    "3 MB of compressed text": chunk(b"zTXt", b"workflow\0\0" + zeros(3_000_000)),
    "90 MB in a hundred texts": chunk(b"zTXt", b"k\0\0" + zeros(900_000)) * 100,
    "3 MB of compressed XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros(3_000_000)),
    "text that is not UTF-8": chunk(b"iTXt", b"x\0\0\0\0\0\xff\xfe", broken=True),
    "2 MB of colour profile": chunk(b"iCCP", b"printer\0\0" + zeros(2_000_000)),
    "profile with a wrong checksum": chunk(b"iCCP", b"p\0\0" + zeros(99), broken=True),
    "EXIF with a wrong checksum": chunk(b"eXIf", b"II*\0junk", broken=True),
    "4 MB of EXIF": chunk(b"eXIf", bytes(4_000_000)),
    "transparency with a wrong checksum": chunk(b"tRNS", bytes(6), broken=True),
    "unknown chunks": chunk(b"abCd", b"hello", broken=True) + chunk(b"prVt", b""),
    "animation control that is too short": chunk(b"acTL", b"\0"),
}


@pytest.mark.parametrize("place", ["before the pixels", "after the pixels"])
@pytest.mark.parametrize("name", sorted(CHUNKS))
def test_decode_png_with_broken_ancillary_chunk_gives_pixels(name: str, place: str) -> None:
    if name.startswith("transparency") and place.startswith("after"):
        return  # Pillow does not check the chunk there, and applies it.
    plain = png()
    at = 33 if place.startswith("before") else len(plain) - 12
    decoded = decode(plain[:at] + CHUNKS[name] + plain[at:])
    assert np.array_equal(decoded.pixels, decode(plain).pixels)


def test_decode_png_with_bytes_after_its_end_gives_pixels() -> None:
    assert np.array_equal(decode(png() + b"x" * 9000).pixels, decode(png()).pixels)


@pytest.mark.parametrize("at", [29, 45])
def test_decode_png_with_broken_critical_chunk_is_refused(at: int) -> None:
    """The first offset is in the checksum of the header, the second in the compressed pixels."""
    data = bytearray(png())
    data[at : at + 3] = b"\x55\xaa\x55"
    with pytest.raises(ImageError, match="broken PNG"):
        decode(bytes(data))


def test_decode_png_with_broken_chunk_keeps_orientation_and_camera() -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Phone", 6
    for plain in (png(exif=exif), png()[:33] + chunk(b"iTXt", XMP) + png()[33:]):
        broken = plain[:33] + CHUNKS["text with a wrong checksum"] + plain[33:]
        first, second = decode(plain), decode(broken)
        assert (first.traits.width, first.traits.height) == (60, 80)
        assert first.traits.camera == second.traits.camera
        assert np.array_equal(first.pixels, second.pixels)


def test_decode_animated_png_with_broken_chunk_gives_first_frame() -> None:
    frames = [picture().point(lambda value, dim=dim: value // dim) for dim in (1, 2, 3)]
    data = png(save_all=True, append_images=frames[1:])
    decoded = decode(data[:33] + CHUNKS["resolution with a wrong checksum"] + data[33:])
    assert decoded.traits.animated
    assert np.array_equal(decoded.pixels, decode(png()).pixels)


def test_without_unused_chunks_thousand_texts_takes_little_memory() -> None:
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zeros(MAX_TEXT_BYTES - 100))
    data = png()[:33] + text * 1000 + png()[33:]
    tracemalloc.start()
    kept = without_unused_chunks(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept.count(b"zTXt") == 4 and peak < 8 << 20
